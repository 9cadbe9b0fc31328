import type { JudgePorts } from "../decide/judge-step.ts";
import { type CallApproval, callDigestOf, isAskedFor } from "../domain/call-approval.ts";
import { formatGrant } from "../domain/grant.ts";
import { secondsOf } from "../domain/time.ts";
import type { CallApprovalReads } from "../ports/ledger-reads.ts";
import { type CallAnswer, toolCallOf } from "./answer-denials.ts";
import { askPolicyOnCall } from "./ask-policy.ts";
import { deniedWith, type HeldBackCall, refused, waiting } from "./held-back-call.ts";
import { type PendCallPorts, pendCall } from "./pend-call.ts";
import { PolicyDenied } from "./policy-denied.ts";
import { recordCall } from "./record-call.ts";

export type HeldBackPorts = JudgePorts &
  PendCallPorts & { readonly callApprovals: Pick<CallApprovalReads, "standingCallApproval"> };

/**
 * What becomes of a call that policies hold back. An approval that was given for it is used: the call is decided once more,
 * with nothing set aside but the policies that ask for this approval. Without one it waits, where that is accepted.
 *
 * @returns an allow; or a denial that is on record, of a call that waits from now on
 * @throws PolicyDenied otherwise; BrokerError as `recordCall` does
 */
export async function decideHeldBack(held: HeldBackCall, ports: HeldBackPorts): Promise<CallAnswer> {
  const { asker, presented, request } = held;
  const { argumentsSha256 } = request;
  if (argumentsSha256 === undefined) throw deniedWith(held, "by the digest of its arguments (arguments_sha256)");
  const call = { ...toolCallOf(request, presented.jti), argumentsSha256 };
  const { stepId } = presented.step;
  const requestDigest = callDigestOf(stepId, asker.entry.entryId, call);
  const now = secondsOf(ports.clock.now());
  const standing = await ports.callApprovals.standingCallApproval(stepId, requestDigest, now);
  if (standing === undefined || isOutgrown(standing, held)) {
    if (!request.acceptPending) throw deniedWith(held, "on request (accept_pending)");
    return pendCall({ ...held, call, requestDigest }, ports);
  }
  if (standing.answer?.approved !== true) throw unanswered(held, standing);
  return decideApproved(held, standing, ports);
}

/** Whoever approved has looked at what held the call back then, and at nothing that has come to hold it back since. */
function isOutgrown(standing: CallApproval, { heldBack }: HeldBackCall): boolean {
  return standing.answer?.approved === true && !isAskedFor(standing, heldBack.policies);
}

/** The approval is for what asks for it alone: risk, facts and every other policy count as they are now. */
async function decideApproved(
  held: HeldBackCall,
  { approvalId, role, policies }: CallApproval,
  ports: HeldBackPorts,
): Promise<CallAnswer> {
  const { presented, request, agent } = held;
  const { use } = request;
  const answer = await askPolicyOnCall({ step: presented.step, agent, use, approved: { role, policies } }, ports);
  if (answer.effect === "allow") return recordCall({ ...held, answer }, ports, approvalId);
  const message = `not permitted now, although approved: ${formatGrant([use])}`;
  throw new PolicyDenied(message, answer, { metadata: { approval_id: approvalId } });
}

/** Waits already, or was refused: an approver's no stands for as long as the question would have. */
function unanswered(held: HeldBackCall, approval: CallApproval): PolicyDenied {
  const { approvalId, until, answer } = approval;
  return answer === undefined ? waiting(held, { approvalId, until }) : refused(held, approval);
}
