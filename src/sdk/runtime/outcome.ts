import { Outcome as OutcomeMessage } from "../../gen/stint/v1/steps_pb.js";

/** How a step's work ended, as its runtime says. */
export type Outcome = "COMPLETED" | "FAILED" | "CANCELLED";

/** How the function of a `withStep` came to its end. */
export type WorkEnd =
  | { readonly kind: "returned"; readonly result: unknown }
  | { readonly kind: "threw"; readonly error: unknown };

/**
 * What the end of the work says of its step. Frameworks throw to pause or to branch, and return to pause or when they were aborted; a
 * step that was left so has neither failed nor completed.
 *
 * @returns `undefined` for what this function has no opinion of.
 */
export type OutcomeOf = (end: WorkEnd) => Outcome | undefined;

export const OUTCOME_MESSAGES = {
  COMPLETED: OutcomeMessage.COMPLETED,
  FAILED: OutcomeMessage.FAILED,
  CANCELLED: OutcomeMessage.CANCELLED,
} as const satisfies Record<Outcome, OutcomeMessage>;

/** What the caller's function says. One that throws itself has no opinion. */
export function opinionOf(end: WorkEnd, outcomeOf: OutcomeOf | undefined): Outcome | undefined {
  try {
    return outcomeOf?.(end);
  } catch {
    return undefined;
  }
}

/** What is taken for the outcome without an opinion: whoever goes on after an abort need not say so, and often cannot. */
export function outcomeWithoutOpinion(end: WorkEnd, signal: AbortSignal): Outcome {
  if (signal.aborted) return "CANCELLED";
  return end.kind === "returned" ? "COMPLETED" : "FAILED";
}
