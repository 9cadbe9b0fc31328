import { Outcome as OutcomeMessage } from "../../gen/stint/v1/steps_pb.js";

/** How a step's work ended, as its runtime says. */
export type Outcome = "COMPLETED" | "FAILED" | "CANCELLED";

/**
 * What an error says of the step it ended. Frameworks throw to pause or to branch; a step that was left so has not
 * failed.
 *
 * @returns `undefined` for what this function has no opinion of.
 */
export type OutcomeOf = (error: unknown) => Outcome | undefined;

export const OUTCOME_MESSAGES = {
  COMPLETED: OutcomeMessage.COMPLETED,
  FAILED: OutcomeMessage.FAILED,
  CANCELLED: OutcomeMessage.CANCELLED,
} as const satisfies Record<Outcome, OutcomeMessage>;

/**
 * The outcome of a step whose work threw: what the caller's function says, else CANCELLED when it was aborted, else
 * FAILED. A function that throws itself has no opinion.
 */
export function outcomeOfError(
  error: unknown,
  options: { readonly outcomeOf?: OutcomeOf | undefined; readonly signal?: AbortSignal | undefined },
): Outcome {
  return opinionOf(error, options.outcomeOf) ?? (options.signal?.aborted === true ? "CANCELLED" : "FAILED");
}

function opinionOf(error: unknown, outcomeOf: OutcomeOf | undefined): Outcome | undefined {
  try {
    return outcomeOf?.(error);
  } catch {
    return undefined;
  }
}
