import type { MessageInitShape } from "@bufbuild/protobuf";
import { type CallApproval, type CallApprovalState, callApprovalStateOf, standingOf } from "../domain/call-approval.ts";
import type { UnixMicros } from "../domain/time.ts";
import { type CallApprovalSchema, CallApprovalState as StateMessage } from "../gen/stint/v1/approvals_pb.js";
import { callMessageOf } from "./decision-message.ts";
import { approvalAnswerMessageOf } from "./step-message.ts";
import { timestampOfMicros, timestampOfSeconds } from "./timestamps.ts";

const STATES = {
  waiting: StateMessage.WAITING,
  approved: StateMessage.APPROVED,
  refused: StateMessage.REFUSED,
  used: StateMessage.USED,
  lapsed: StateMessage.LAPSED,
} as const satisfies Record<CallApprovalState, StateMessage>;

export function callApprovalStateMessageOf(state: CallApprovalState): StateMessage {
  return STATES[state];
}

/** `undefined` for a state that this version does not know. */
export function callApprovalStateFrom(message: StateMessage): CallApprovalState | undefined {
  return (Object.keys(STATES) as readonly CallApprovalState[]).find((state) => STATES[state] === message);
}

/** @param now - at which the state is told. */
export function callApprovalMessageOf(
  approval: CallApproval,
  now: UnixMicros,
): MessageInitShape<typeof CallApprovalSchema> {
  const { step, answer, askedAt, until, requesters, usedBy = "", policies } = approval;
  const { runId, step: name, attempt, agent } = step;
  return {
    approvalId: approval.approvalId,
    state: STATES[callApprovalStateOf(standingOf(approval), now)],
    stepId: approval.stepId,
    stepName: { runId, step: name, attempt },
    agent,
    call: callMessageOf(approval.call),
    askerEntryId: approval.askerEntryId,
    role: approval.role,
    policies: [...policies],
    askedAt: timestampOfMicros(askedAt),
    until: timestampOfSeconds(until),
    requestDigest: approval.requestDigest,
    requesterUids: [...requesters],
    decisionId: approval.decisionId,
    ...(answer === undefined ? {} : { answer: approvalAnswerMessageOf(answer, { processes: true }) }),
    usedDecisionId: usedBy,
  };
}
