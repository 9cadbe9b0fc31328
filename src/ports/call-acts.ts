import type { CallApprovalState, PendingCall } from "../domain/call-approval.ts";
import type { DecidedOn, Decision, ToolCall } from "../domain/decision.ts";
import type { Grant } from "../domain/grant.ts";
import type { UnixMicros, UnixSeconds } from "../domain/time.ts";
import type { Usage } from "../domain/usage.ts";

/** The acts of calls of tools. The others are in `ledger-acts.ts`, with the list of all. */

/** What recording a call stands on, whatever becomes of it. */
type CallAct = {
  readonly stepId: string;
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

/**
 * Counts one call of a tool, by the step and all that it was delegated from, and records the decision that allows it.
 *
 * Guards, in this order:
 * - the step is open (STEP_NOT_FOUND, STEP_CLOSED) and its expiry ahead of `now` (STEP_EXPIRING);
 * - none of the credentials was taken back → NO_IDENTITY;
 * - `decidedOn` still stands → NOT_ENTITLED, DECISION_OUTDATED;
 * - the credential's grant, the step's and that of each step it was delegated from cover the call, and no budget that has
 *   to count it is used up → GRANT_EXCEEDED;
 * - the approval that `call.approvalId` names is of this very call, was given, and was neither used nor is it too old → else
 *   DECISION_OUTDATED. It is used up by this.
 *
 * In each of these grants a call is counted by all elements that cover it, unless one without `max_calls` covers it too.
 */
export type RecordCallAct = CallAct & {
  readonly act: "record-call";
  /** `call` without `counted`. */
  readonly decision: Decision & { readonly call: ToolCall };
};

export type RecordedCall = {
  readonly kind: "sequenced";
  readonly sequence: number;
  /** How many more such calls are allowed; absent where nothing counts them. */
  readonly callsLeft?: number;
};

/**
 * Has a call of a tool wait for its approval, and records the decision that denies it. Nothing is counted.
 *
 * Guards: those of `record-call`. Then:
 * - where the same call waits already, or was refused and its time is not over: that one (`existing`), and nothing is
 *   recorded; where it was approved meanwhile → DECISION_OUTDATED, unless other policies hold it back than it was approved for;
 * - no more than `LIMITS.callsPendingPerStepMax` of the step's calls that the same entry asks about wait, are approved, or were refused, in their time → else
 *   LIMIT_EXCEEDED.
 */
export type PendCallAct = CallAct & {
  readonly act: "pend-call";
  readonly pending: PendingCall;
  /** The deny. */
  readonly decision: Decision;
};

export type PendedCall = {
  readonly kind: "pending" | "existing";
  readonly approvalId: string;
  readonly state: Extract<CallApprovalState, "waiting" | "refused">;
  readonly until: UnixSeconds;
  /** Of the last event written; 0: none was. */
  readonly sequence: number;
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
