import type { ApprovalAnswer } from "../../../domain/approval.ts";
import type { CallApproval, CallApprovalState, PendingCall } from "../../../domain/call-approval.ts";
import { canonicalText } from "../../../domain/canonical-json.ts";
import type { Segment } from "../../../domain/spiffe-id.ts";
import type { StepState } from "../../../domain/step.ts";
import type { UnixMicros, UnixSeconds } from "../../../domain/time.ts";
import type { GuardedCallApproval } from "../../../ledger/view.ts";
import type { SqlParameters } from "../connection.ts";

const GUARD = `
    SELECT c.pending, c.until_s AS until, c.approved, c.used_decision_id AS usedBy, s.state AS stepState
      FROM call_approval AS c JOIN step AS s ON s.sequence = c.step_sequence`;

const COLUMNS = `
    SELECT c.sequence, c.pending, c.recorded_at_us AS askedAt, c.until_s AS until, c.answer, c.used_decision_id AS usedBy,
           s.run_id AS runId, s.step, s.attempt, s.agent, s.state AS stepState
      FROM call_approval AS c JOIN step AS s ON s.sequence = c.step_sequence`;

/** Those that were not used, and whose time is not over. */
const STANDING = `
     c.step_sequence = (SELECT sequence FROM step WHERE step_id = @stepId)
       AND c.used_decision_id IS NULL AND c.until_s > @now`;

export const CALL_APPROVAL = {
  insert: `
    INSERT INTO call_approval (sequence, approval_id, step_sequence, request_digest, pending, recorded_at_us, until_s)
    VALUES (@sequence, @approvalId, @stepSequence, @requestDigest, @pending, @at, @until)`,
  answer: `
    UPDATE call_approval SET answer = @answer, approved = @approved, until_s = coalesce(@until, until_s)
     WHERE approval_id = @approvalId AND answer IS NULL`,
  use: `
    UPDATE call_approval SET used_decision_id = @decisionId
     WHERE approval_id = @approvalId AND approved = 1 AND used_decision_id IS NULL`,
  stepOf: "SELECT step_sequence AS stepSequence FROM call_approval WHERE approval_id = @approvalId",
  guard: `${GUARD} WHERE c.approval_id = @approvalId`,
  guardStanding: `${GUARD} WHERE ${STANDING} ORDER BY c.sequence`,
  byId: `${COLUMNS} WHERE c.approval_id = @approvalId`,
  standing: `${COLUMNS} WHERE ${STANDING} AND c.request_digest = @requestDigest ORDER BY c.sequence DESC LIMIT 1`,
  /** For the operator's view; conditions are appended. */
  history: COLUMNS,
} as const;

/** `callApprovalStateOf` in SQL, at `@now` in seconds. */
export const STATE_OF_CALL: Readonly<Record<CallApprovalState, string>> = {
  used: "c.used_decision_id IS NOT NULL",
  refused: "c.approved = 0",
  approved: "c.approved = 1 AND c.used_decision_id IS NULL AND c.until_s > @now AND s.state = 'OPEN'",
  waiting: "c.approved IS NULL AND c.until_s > @now AND s.state = 'OPEN'",
  lapsed: `
    c.used_decision_id IS NULL AND coalesce(c.approved, 1) = 1 AND (c.until_s <= @now OR s.state <> 'OPEN')`,
};

export type CallApprovalGuardRow = {
  readonly pending: string;
  readonly until: UnixSeconds;
  readonly approved: number | null;
  readonly usedBy: string | null;
  readonly stepState: StepState;
};

export function guardedCallApprovalOf(row: CallApprovalGuardRow): GuardedCallApproval {
  const { approvalId, stepId, askerEntryId, requestDigest, requesters, policies } = JSON.parse(
    row.pending,
  ) as PendingCall;
  const { until, approved, usedBy, stepState } = row;
  return {
    ...{ approvalId, stepId, askerEntryId, requestDigest, requesters, policies },
    until,
    ...(approved === null ? {} : { approved: approved === 1 }),
    isUsed: usedBy !== null,
    stepState,
  };
}

export type CallApprovalRow = {
  readonly sequence: number;
  readonly pending: string;
  readonly askedAt: UnixMicros;
  readonly until: UnixSeconds;
  readonly answer: string | null;
  readonly usedBy: string | null;
  readonly runId: Segment;
  readonly step: Segment;
  readonly attempt: number;
  readonly agent: Segment;
  readonly stepState: StepState;
};

export function callApprovalOf(row: CallApprovalRow): CallApproval {
  const { sequence, pending, askedAt, until, answer, usedBy, stepState: state } = row;
  const { runId, step, attempt, agent } = row;
  return {
    ...(JSON.parse(pending) as PendingCall),
    sequence,
    askedAt,
    until,
    ...(answer === null ? {} : { answer: JSON.parse(answer) as ApprovalAnswer }),
    ...(usedBy === null ? {} : { usedBy }),
    step: { runId, step, attempt, agent, state },
  };
}

export function parametersOfPendingCall(
  pending: PendingCall,
  recorded: { readonly sequence: number; readonly stepSequence: number; readonly at: UnixMicros },
): SqlParameters {
  const { approvalId, requestDigest, until } = pending;
  return { ...recorded, approvalId, requestDigest, until, pending: canonicalText(pending) };
}
