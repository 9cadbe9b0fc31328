import type { DecidedOn, Decision, ToolCall } from "../domain/decision.ts";
import type { Grant } from "../domain/grant.ts";
import type { UnixMicros } from "../domain/time.ts";
import type { Usage } from "../domain/usage.ts";

/** The acts of calls of tools. The others are in `ledger-acts.ts`, with the list of all. */

/**
 * Counts one call of a tool, by the step and all that it was delegated from, and records the decision that allows it.
 *
 * Guards, in this order:
 * - the step is open (STEP_NOT_FOUND, STEP_CLOSED) and its expiry ahead of `now` (STEP_EXPIRING);
 * - none of the credentials was taken back → NO_IDENTITY;
 * - `decidedOn` still stands → NOT_ENTITLED, DECISION_OUTDATED;
 * - the credential's grant, the step's and that of each step it was delegated from cover the call, and no budget that has
 *   to count it is used up → GRANT_EXCEEDED.
 *
 * In each of these grants a call is counted by all elements that cover it, unless one without `max_calls` covers it too.
 */
export type RecordCallAct = {
  readonly act: "record-call";
  readonly stepId: string;
  /** `call` without `counted`. */
  readonly decision: Decision & { readonly call: ToolCall };
  readonly decidedOn: DecidedOn;
  readonly presented: {
    /** The grant that came with the call, and the issuance that it is counted by where it is less than the step's. */
    readonly issuanceId: string;
    readonly grant: Grant;
    /** Of every credential that came with the call. */
    readonly issuanceIds: readonly string[];
  };
  readonly now: UnixMicros;
};

export type RecordedCall = {
  readonly kind: "sequenced";
  readonly sequence: number;
  /** How many more such calls are allowed; absent where nothing counts them. */
  readonly callsLeft?: number;
};

/** Adds what a verifier has reported to what it had before. */
export type RecordUsageAct = {
  readonly act: "record-usage";
  readonly entryId: string;
  /** Each combination once, at most `LIMITS.usagesPerEventMax`. */
  readonly usages: readonly Usage[];
  /** Calls that were left out since the report before. */
  readonly gap: number;
  readonly now: UnixMicros;
};
