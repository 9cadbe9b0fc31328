import type { OperatorActor } from "../domain/actor.ts";
import type { DecidedOn, Decision } from "../domain/decision.ts";
import type { Step } from "../domain/step.ts";
import type { UnixMicros, UnixSeconds } from "../domain/time.ts";

/**
 * Opens a step that waits for approval, and records the decision that now allows it.
 *
 * Guards, in this order:
 * - the step waits: STEP_NOT_FOUND, STEP_CLOSED; STEP_EXISTS for a step that was approved before; STEP_CLOSED when the
 *   time for its approval is over;
 * - `requestDigest` is that of the request which waits → else INVALID_FIELD `request_digest`;
 * - the approver is none of those who asked → else NOT_ENTITLED;
 * - the run is not barred, nor is whom the step works for → else NOT_ENTITLED;
 * - `decidedOn` no longer stands → NOT_ENTITLED for an entry that is out of force, else DECISION_OUTDATED;
 * - the parent is open, expires no earlier than the step, and is not closed by this → else DELEGATION_REFUSED;
 * - the delegation token by which it was let below its parent was not taken back → else DELEGATION_REFUSED;
 * - the parent has as many calls left as are granted → else DECISION_OUTDATED;
 * - it is the newest attempt → else STALE_ATTEMPT;
 * - expiry ahead of `now` by `LIMITS.stepSecondsLeftMin` → else STEP_EXPIRING.
 *
 * Closes what opening it would close.
 */
export type ApproveStepAct = {
  readonly act: "approve-step";
  readonly step: Pick<Step, "stepId" | "runId" | "step" | "parentStepId" | "principal" | "delegationJti" | "grant">;
  readonly requestDigest: string;
  readonly decision: Decision;
  readonly decidedOn: DecidedOn;
  readonly expiresAt: UnixSeconds;
  readonly reason: string;
  readonly by: OperatorActor;
  readonly now: UnixMicros;
};

/**
 * Approves a call that waits, to be made once.
 *
 * Guards, in this order:
 * - the call waits → else INVALID_FIELD `approval_id`, with its `state`; its step is open → else STEP_CLOSED;
 * - `requestDigest` is that of the call → else INVALID_FIELD `request_digest`;
 * - the approver is none of those who asked, and their entry still stands → else NOT_ENTITLED, DECISION_OUTDATED.
 */
export type ApproveCallAct = {
  readonly act: "approve-call";
  readonly approvalId: string;
  readonly requestDigest: string;
  /** Until when the call may be made; exclusive. */
  readonly until: UnixSeconds;
  readonly decidedOn: DecidedOn;
  readonly reason: string;
  readonly by: OperatorActor;
  readonly now: UnixMicros;
};

/** Refuses a call that waits: INVALID_FIELD `approval_id` for any other, STEP_CLOSED. */
export type RefuseCallAct = {
  readonly act: "refuse-call";
  readonly approvalId: string;
  readonly reason: string;
  readonly by: OperatorActor;
  readonly now: UnixMicros;
};

/** Closes a step that waits for approval as REFUSED. STEP_NOT_FOUND, STEP_CLOSED; STEP_EXISTS for one that was approved. */
export type RefuseStepAct = {
  readonly act: "refuse-step";
  readonly stepId: string;
  readonly reason: string;
  readonly by: OperatorActor;
  readonly now: UnixMicros;
};
