import type { HeldBack } from "../decide/held-back.ts";
import type { ApprovableCall, CallApproval } from "../domain/call-approval.ts";
import { formatGrant } from "../domain/grant.ts";
import { type PendingAnswer, PolicyDenied } from "./policy-denied.ts";
import type { AnsweredCall } from "./record-call.ts";

/** A call that nothing denies but policies that ask for an approval. */
export type HeldBackCall = AnsweredCall & { readonly heldBack: HeldBack };

/** The same, as what is approved: its arguments are known by their digest. */
export type IdentifiedCall = HeldBackCall & { readonly call: ApprovableCall; readonly requestDigest: string };

/** The denial of a call that waits. */
export function waiting({ answer, heldBack, request }: HeldBackCall, pending: PendingAnswer): PolicyDenied {
  const { role } = heldBack;
  const message = `waits until ${role} approve it: ${formatGrant([request.use])}`;
  const metadata = { approval: role, approval_id: pending.approvalId };
  return new PolicyDenied(message, answer, { metadata, pending });
}

/**
 * The denial of a call that was refused: approving can't help, until its time is over. The approver's words are data beside
 * the message, which goes where nobody expects a person's text.
 */
export function refused(
  { answer, request }: HeldBackCall,
  { approvalId, answer: approver }: Pick<CallApproval, "approvalId" | "answer">,
): PolicyDenied {
  const { heldBack: _, ...said } = answer;
  const message = `refused by an approver: ${formatGrant([request.use])}`;
  const words = approver === undefined ? {} : { approver_reason: approver.reason };
  return new PolicyDenied(message, said, { metadata: { approval_id: approvalId, ...words } });
}

/** The denial of a call that could be approved, were it not for something. */
export function deniedWith({ answer, heldBack, request }: HeldBackCall, how: string): PolicyDenied {
  const { role } = heldBack;
  const message = `held back until ${role} approve it, ${how}: ${formatGrant([request.use])}`;
  return new PolicyDenied(message, answer, { metadata: { approval: role } });
}
