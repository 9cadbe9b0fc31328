import type { MessageInitShape } from "@bufbuild/protobuf";
import type { handleServerStreamingCall } from "@grpc/grpc-js";
import type { Lifetimes } from "../../close/lifetimes.ts";
import { type StepAccess, visibleTo } from "../../decide/step-access.ts";
import { errorOf } from "../../domain/errors.ts";
import { isClosed, type Step } from "../../domain/step.ts";
import { microsOf } from "../../domain/time.ts";
import type { HoldRequest, HoldResponseSchema } from "../../gen/stint/v1/steps_pb.js";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { Ledger } from "../../ports/ledger.ts";
import type { StepReads } from "../../ports/ledger-reads.ts";
import { type Received, receivedMessage } from "../../wire/service-definition.ts";
import { serviceErrorOf } from "../../wire/service-error.ts";
import { stepMessageOf } from "../../wire/step-message.ts";
import { begin, type Endpoint } from "./call.ts";

export type HoldPorts = {
  readonly ledger: Ledger;
  readonly steps: StepReads;
  readonly lifetimes: Lifetimes;
  readonly clock: Clock;
};

/** A step is near its expiry when less than this is left, or a tenth of its life if that is longer. */
const EXPIRING_SECONDS_MIN = 30;

/**
 * Holds a step for as long as the stream is up, and tells of its changes. An executor's hold only observes: what keeps a
 * step open is its opener's word.
 */
export function holdHandler(
  endpoint: Endpoint,
  ports: HoldPorts,
): handleServerStreamingCall<Received<HoldRequest>, MessageInitShape<typeof HoldResponseSchema>> {
  return (call) => {
    const begun = begin(endpoint, "Steps.Hold", call);
    const ends: Cancel[] = [];
    let isOver = false;
    const finish = () => {
      isOver = true;
      for (const end of ends.splice(0)) end();
    };
    const fail = (thrown: unknown) => {
      if (isOver) return;
      finish();
      call.emit("error", serviceErrorOf(thrown));
    };
    call.on("cancelled", finish);
    call.on("close", finish);

    begun
      .run(async () => {
        const { stepId } = receivedMessage(call.request);
        begun.ids["stepId"] = stepId;
        const caller = await begun.attested();
        const { step, access } = visibleTo(caller, await ports.steps.step(stepId));
        if (access.asOpener && !isClosed(step.state)) {
          const held = await ports.ledger.perform({ act: "hold-step", stepId, now: ports.clock.now() });
          // Closed in between: told by the first message instead.
          if ("kind" in held && held.code !== "STEP_CLOSED") throw errorOf(held);
          const release = ports.lifetimes.hold(stepId);
          // Whoever left meanwhile has held it for a moment, and a step once held needs a hold.
          if (isOver) release();
          else ends.push(release);
        }
        return { step, access };
      })
      .then(({ step, access }) => tell(step, access))
      .catch(fail);

    async function tell(step: Step, access: StepAccess): Promise<void> {
      if (isOver) return;
      const unfollow = ports.lifetimes.follow(step.stepId, () => void told(step.stepId, access).catch(fail));
      ends.push(unfollow, warnBeforeExpiry(step, access));
      await told(step.stepId, access);
    }

    async function told(stepId: string, access: StepAccess): Promise<void> {
      const step = await ports.steps.step(stepId);
      if (isOver) return;
      if (step === undefined) return finish();
      write(step, access, isExpiring(step));
      if (!isClosed(step.state)) return;
      finish();
      call.end();
    }

    function write(step: Step, access: StepAccess, expiring: boolean): void {
      call.write({
        step: stepMessageOf(step, { processes: access.asOpener || access.asOperator !== undefined }),
        expiring,
      });
    }

    function isExpiring(step: Step): boolean {
      return ports.clock.now() >= warningAt(step);
    }

    function warnBeforeExpiry(step: Step, access: StepAccess): Cancel {
      const inMs = (warningAt(step) - ports.clock.now()) / 1_000;
      if (inMs <= 0) return () => undefined;
      return ports.clock.schedule(Math.ceil(inMs), () => void told(step.stepId, access).catch(fail));
    }
  };
}

function warningAt(step: Step): number {
  const expiresAt = microsOf(step.expiresAt);
  return expiresAt - Math.max(EXPIRING_SECONDS_MIN * 1_000_000, (expiresAt - step.openedAt) / 10);
}
