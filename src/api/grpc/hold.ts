import type { MessageInitShape } from "@bufbuild/protobuf";
import type { handleServerStreamingCall } from "@grpc/grpc-js";
import type { StepAccess } from "../../decide/step-access.ts";
import { isClosed, permits, type Step } from "../../domain/step.ts";
import { microsOf } from "../../domain/time.ts";
import type { HoldRequest, HoldResponseSchema } from "../../gen/stint/v1/steps_pb.js";
import { type Held, type HoldPorts, holdStep } from "../../open/hold-step.ts";
import type { Cancel } from "../../ports/clock.ts";
import type { StepDirectory } from "../../ports/directories.ts";
import { type Received, receivedMessage } from "../../wire/service-definition.ts";
import { serviceErrorOf } from "../../wire/service-error.ts";
import { stepMessageOf } from "../../wire/step-message.ts";
import { begin, type Endpoint } from "./call.ts";

export type HoldHandlerPorts = HoldPorts & { readonly stepDirectory: StepDirectory };

/** A step is near its expiry when less than this is left, or less than a tenth of its life if a tenth is longer. */
const EXPIRING_SECONDS_MIN = 30;

/**
 * Holds a step for as long as the stream is up, and tells the caller of the step's changes. An executor's hold only
 * observes: only its opener's hold keeps a step open.
 */
export function holdHandler(
  endpoint: Endpoint,
  ports: HoldHandlerPorts,
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
        return holdStep(await begun.attested(), stepId, ports);
      })
      .then(tell)
      .catch(fail);

    function tell({ step, access, release, keepOpen }: Held): void {
      // A caller who left meanwhile has held the step for a moment, and a step once held needs a hold.
      if (isOver) {
        release();
        return;
      }
      ends.push(release);
      told(step, access);
      if (isOver) return;
      let isWaiting = keepOpen !== undefined;
      const changedTo = (changed: Step) => {
        const isApproved = isWaiting && permits(changed.state);
        isWaiting &&= !isApproved;
        if (isApproved && keepOpen !== undefined) keepOpen().then((letGo) => approved(changed, access, letGo), fail);
        else told(changed, access);
      };
      ends.push(ports.stepDirectory.followStep(step.stepId, changedTo));
      // It may have been approved before anyone followed it, and then nothing else tells of that.
      if (isWaiting) ports.stepDirectory.byId(step.stepId).then((now) => isWaiting && now && changedTo(now), fail);
      ends.push(warnBeforeExpiry(step, access));
    }

    /** The step is told to be open once it is held, so that whoever begins to work then can rely on it. */
    function approved(step: Step, access: StepAccess, release: Cancel): void {
      if (isOver) {
        release();
        return;
      }
      ends.push(release);
      told(step, access);
      if (!isOver) ends.push(warnBeforeExpiry(step, access));
    }

    function told(step: Step, access: StepAccess): void {
      if (isOver) return;
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
      return ports.clock.schedule(Math.ceil(inMs), () => {
        ports.stepDirectory.byId(step.stepId).then((now) => told(now ?? step, access), fail);
      });
    }
  };
}

function warningAt(step: Step): number {
  const expiresAt = microsOf(step.expiresAt);
  return expiresAt - Math.max(EXPIRING_SECONDS_MIN * 1_000_000, (expiresAt - step.openedAt) / 10);
}
