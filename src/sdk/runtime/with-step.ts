import type { CloseOptions } from "./close-step.ts";
import { type OutcomeOf, outcomeOfError } from "./outcome.ts";
import type { Step } from "./step.ts";
import { isStintError, stepClosed } from "./stint-error.ts";

/**
 * Opens a step, works in it, and closes it with the outcome of the work.
 *
 * @returns what `work` returned, once the step is closed as COMPLETED.
 * @throws what `work` threw, once the step is closed as `outcomeOf` says, as CANCELLED when `options.signal` aborted, or as FAILED;
 * StintError STEP_CLOSED when the work came to its end and the step had ended before it: another attempt may be doing
 * it again, so its result must not count; whatever opening or closing threw
 */
export async function withStep<Result>(
  open: () => Promise<Step>,
  options: CloseOptions & {
    readonly outcomeOf?: OutcomeOf | undefined;
    readonly signal?: AbortSignal | undefined;
  },
  work: (step: Step) => Promise<Result> | Result,
): Promise<Result> {
  const step = await open();
  let result: Result;
  try {
    result = await step.run(() => work(step));
  } catch (thrown) {
    await closeAfter(step, thrown, options);
    throw thrown;
  }
  const { state, outcome } = await step.close("COMPLETED", options);
  if (state !== outcome) throw stepClosed(step.stepId, state);
  return result;
}

/** The error of the work is the one to tell; a step whose close failed is no longer held, and so ends by itself. */
async function closeAfter(step: Step, thrown: unknown, options: Parameters<typeof withStep>[1]): Promise<void> {
  try {
    // Nothing is left to say of one that has ended, but a close that the work began is waited for.
    if (isStintError(step.signal.reason, "STEP_CLOSED")) await step[Symbol.asyncDispose]();
    else await step.close(outcomeOfError(thrown, options), options);
  } catch {
    // Nothing more can be done about it here.
  }
}
