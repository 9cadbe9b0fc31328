import type { CloseOptions } from "./close-step.ts";
import { type OutcomeOf, opinionOf, outcomeWithoutOpinion, type WorkEnd } from "./outcome.ts";
import type { Step } from "./step.ts";
import { isStintError, stepClosed } from "./stint-error.ts";

/** A step, and what its user is not shown. */
export type OpenedStep = {
  readonly step: Step;
  /** Whether `close` of this very step was called. */
  readonly isClosing: () => boolean;
};

type WorkOptions = CloseOptions & { readonly outcomeOf?: OutcomeOf | undefined };

/**
 * Opens a step, works in it, and closes it with the outcome of the work: what `outcomeOf` says, else CANCELLED when `step.signal`
 * aborted, else COMPLETED or FAILED.
 *
 * @returns what `work` returned, once the step is closed; also when that was aborted by the caller's signal, or is a pause.
 * @throws what `work` threw, once the step is closed;
 * StintError STEP_CLOSED or HOLD_LOST when the work came to its end and the step had ended before it: another attempt
 * may be doing it again, so its result must not count; whatever opening or closing threw
 */
export async function withStep<Result>(
  open: () => Promise<OpenedStep>,
  options: WorkOptions,
  work: (step: Step) => Promise<Result> | Result,
): Promise<Result> {
  const opened = await open();
  const { step } = opened;
  let result: Result;
  try {
    result = await step.run(() => work(step));
  } catch (error) {
    // The error of the work is the one to tell; a step whose close failed is no longer held, and so ends by itself.
    await closeAfter(opened, { kind: "threw", error }, options).catch(() => undefined);
    throw error;
  }
  await closeAfter(opened, { kind: "returned", result }, options);
  return result;
}

/** @throws StintError when the step had ended, or its end is not the one that was said; whatever closing threw */
async function closeAfter({ step, isClosing }: OpenedStep, end: WorkEnd, options: WorkOptions): Promise<void> {
  const { signal } = step;
  // Nothing is left to say of a step that has ended, but a close that the work began is waited for.
  if (isStintError(signal.reason, "STEP_CLOSED") && !isClosing()) throw signal.reason;
  const opinion = opinionOf(end, options.outcomeOf);
  const { state, outcome } = await step.close(opinion ?? outcomeWithoutOpinion(end, signal), options);
  if (state !== outcome) throw stepClosed(step.stepId, state);
  if (isStintError(signal.reason, "HOLD_LOST") && opinion === undefined) throw signal.reason;
}
