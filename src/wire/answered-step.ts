import type { Steps } from "../gen/stint/v1/steps_pb.js";
import { type Step, StepState } from "../gen/stint/v1/types_pb.js";
import type { ClientOf } from "./client.ts";

/** A pause well within the time that people take, and long enough not to keep busy a broker that is starting. */
export const ASK_AGAIN_AFTER_MS = 250;

/**
 * Follows a step that waits for approval until it waits no more; takes it up again when the connection breaks.
 *
 * @param options.signal - ends the wait; its reason is then thrown.
 * @param options.mayPass - whether what a call threw may be another answer soon; anything else is thrown on.
 * @param options.pause - waits for `ASK_AGAIN_AFTER_MS`, or until the signal aborts.
 * @returns the step as it is then: open, or closed
 */
export async function answeredStep(
  steps: Pick<ClientOf<typeof Steps>, "hold">,
  stepId: string,
  {
    signal,
    mayPass,
    pause,
  }: {
    readonly signal: AbortSignal;
    readonly mayPass: (thrown: unknown) => boolean;
    readonly pause: () => Promise<unknown>;
  },
): Promise<Step> {
  for (;;) {
    try {
      for await (const { step } of steps.hold({ stepId }, { signal })) {
        if (step !== undefined && step.state !== StepState.PENDING_APPROVAL) return step;
      }
    } catch (thrown) {
      signal.throwIfAborted();
      if (!mayPass(thrown)) throw thrown;
    }
    await pause();
    signal.throwIfAborted();
  }
}
