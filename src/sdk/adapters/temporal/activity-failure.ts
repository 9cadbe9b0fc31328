import type { OutcomeOf } from "../../runtime/index.ts";
import { type RefusalFacts, shownError, ToolRefusal } from "../index.ts";

/** The class `ApplicationFailure` of `@temporalio/activity`. */
export type ApplicationFailureClass = {
  create(options: {
    readonly message?: string;
    readonly type?: string;
    readonly nonRetryable?: boolean;
    readonly details?: unknown[];
    readonly cause?: Error;
  }): Error;
};

/** How a step ends that another attempt can be opened after. One that was revoked or cancelled was ended on purpose. */
const PASSING_ENDS: readonly (string | undefined)[] = ["EXPIRED", "ABANDONED", "SUPERSEDED"];
/** An attempt that came after a newer one, as a reset activity's does, and one whose broker was away for too long. */
const PASSING_REASONS = ["STALE_ATTEMPT", "STEP_EXISTS", "HOLD_LOST"];

/**
 * What Temporal is to be told instead of what an activity threw, for it keeps that in the history of the workflow. A refusal that will be
 * the same again is not retried: without a word Temporal would ask for ever.
 */
export function activityFailureOf(thrown: unknown, activityType: string, failures: ApplicationFailureClass): unknown {
  const shown = shownError(thrown, activityType);
  if (shown instanceof ToolRefusal) {
    const { message, refusal, name: type, cause } = shown;
    const nonRetryable = !mayPassLater(refusal);
    return failures.create({
      message,
      type,
      nonRetryable,
      details: [refusal],
      ...(cause instanceof Error && { cause }),
    });
  }
  if (shown === thrown || !isApplicationFailure(thrown)) return shown;
  const { type, nonRetryable } = thrown;
  const message = shown instanceof Error ? shown.message : "";
  return failures.create({ message, ...(typeof type === "string" && { type }), nonRetryable: nonRetryable === true });
}

function mayPassLater({ reason, state, retryable }: RefusalFacts): boolean {
  return retryable || PASSING_REASONS.includes(reason) || (reason === "STEP_CLOSED" && PASSING_ENDS.includes(state));
}

function isApplicationFailure(
  thrown: unknown,
): thrown is Error & { readonly type: unknown; readonly nonRetryable: unknown } {
  return thrown instanceof Error && "type" in thrown && "nonRetryable" in thrown;
}

/** An activity that something else completes later is left by a throw; its step is done with all the same. */
export const outcomeOfActivity: OutcomeOf = (end) =>
  end.kind === "threw" && isLeft(end.error) ? "CANCELLED" : undefined;

/** What Temporal throws to itself, through the activity. */
export function isLeft(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === "CompleteAsyncError";
}
