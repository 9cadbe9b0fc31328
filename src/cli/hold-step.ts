import { setTimeout as sleep } from "node:timers/promises";
import type { Steps } from "../gen/stint/v1/steps_pb.js";
import { type Step, StepState } from "../gen/stint/v1/types_pb.js";
import { type CallError, callErrorOf } from "../wire/call-error.ts";
import type { ClientOf } from "../wire/client.ts";
import { microsOfTimestamp } from "../wire/timestamps.ts";
import type { StepEnd } from "./step-end.ts";

/** A wait well within the broker's grace, and long enough not to keep busy a broker that is starting. */
const AGAIN_AFTER_MS = 250;

/**
 * Holds a step until it ends or is released; takes the hold up again when the connection breaks. While the broker can't
 * be reached, the step is over with its time: no broker makes it any longer.
 *
 * @param now - milliseconds since 1970.
 * @param ended - called once if the step ends before it is released.
 * @returns held: resolves with the broker's first message, and rejects with the broker's refusal.
 */
export function holdStep(
  steps: Pick<ClientOf<typeof Steps>, "hold">,
  { stepId, expiresAt }: Pick<Step, "stepId" | "expiresAt">,
  now: () => number,
  ended: (end: StepEnd) => void,
): { readonly held: Promise<void>; release(): void } {
  const released = new AbortController();
  const held = Promise.withResolvers<void>();
  const expiresAtMs =
    expiresAt === undefined ? Number.POSITIVE_INFINITY : microsOfTimestamp(expiresAt, "expires_at") / 1_000;
  let wasHeld = false;

  async function hold(): Promise<void> {
    while (!released.signal.aborted) {
      try {
        for await (const { step } of steps.hold({ stepId }, { signal: released.signal })) {
          wasHeld = true;
          held.resolve();
          if (step !== undefined && step.state !== StepState.OPEN) return ended({ kind: "closed", state: step.state });
        }
      } catch (thrown) {
        if (released.signal.aborted) return;
        const refusal = callErrorOf(thrown);
        // Until the first message a failure is for the caller.
        if (!wasHeld) return held.reject(refusal);
        if (isForGood(refusal)) return ended({ kind: "refused", refusal });
      }
      if (now() >= expiresAtMs) return ended({ kind: "overtime" });
      await sleep(AGAIN_AFTER_MS, undefined, { signal: released.signal }).catch(() => undefined);
    }
  }

  void hold();
  return { held: held.promise, release: () => released.abort() };
}

/** Whether the broker itself says that this caller may not hold the step; all else passes, or the step's time does. */
function isForGood({ info, codeName }: CallError): boolean {
  return info !== undefined && codeName !== "UNAVAILABLE" && codeName !== "RESOURCE_EXHAUSTED";
}
