import { setTimeout as sleep } from "node:timers/promises";
import type { Steps } from "../gen/stint/v1/steps_pb.js";
import { StepState } from "../gen/stint/v1/types_pb.js";
import { callErrorOf } from "../wire/call-error.ts";
import type { ClientOf } from "../wire/client.ts";

/** A wait well within the broker's grace, and long enough not to keep busy a broker that is starting. */
const AGAIN_AFTER_MS = 250;

/**
 * Holds a step until it ends or is released; takes the hold up again when the connection breaks.
 *
 * @param ended - called once if the step ends before it is released.
 * @returns held: resolves with the broker's first message, and rejects with the broker's refusal.
 */
export function holdStep(
  steps: Pick<ClientOf<typeof Steps>, "hold">,
  stepId: string,
  ended: (state: StepState) => void,
): { readonly held: Promise<void>; release(): void } {
  const released = new AbortController();
  const held = Promise.withResolvers<void>();
  let wasHeld = false;

  async function hold(): Promise<void> {
    while (!released.signal.aborted) {
      try {
        for await (const { step } of steps.hold({ stepId }, { signal: released.signal })) {
          wasHeld = true;
          held.resolve();
          if (step !== undefined && step.state !== StepState.OPEN) return ended(step.state);
        }
      } catch (thrown) {
        const error = callErrorOf(thrown);
        // Until the first message a failure is for the caller; a later refusal says that the step is no more.
        if (!error.unreachable || !wasHeld) return held.reject(error);
      }
      await sleep(AGAIN_AFTER_MS, undefined, { signal: released.signal }).catch(() => undefined);
    }
  }

  void hold();
  return { held: held.promise, release: () => released.abort() };
}
