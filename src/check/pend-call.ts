import { refusedCaller } from "../decide/refused-caller.ts";
import type { CallApproval } from "../domain/call-approval.ts";
import { errorOf, isDenial } from "../domain/errors.ts";
import { ID_RANDOM_BYTES, newId } from "../domain/ids.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../domain/time.ts";
import type { CallApprovalReads } from "../ports/ledger-reads.ts";
import { type CallAnswer, denialAnswer, denied } from "./answer-denials.ts";
import { deniedWith, type IdentifiedCall, refused, waiting } from "./held-back-call.ts";
import { type RecordCallPorts, standsOn } from "./record-call.ts";
import { type RequestersPorts, requestersOf } from "./requesters.ts";

export type PendCallPorts = RecordCallPorts &
  RequestersPorts & {
    /** How long a call waits for its approval. */
    readonly approvalSeconds: number;
    readonly callApprovals: Pick<CallApprovalReads, "callApproval">;
  };

/**
 * Has a call wait for its approval: one durable act records the decision that denies it, and what is to be approved.
 *
 * @returns the denial
 * @throws PolicyDenied where the same call waits already, or none may wait
 */
export async function pendCall(held: IdentifiedCall, ports: PendCallPorts): Promise<CallAnswer> {
  const { asker, presented, request, heldBack, call, requestDigest } = held;
  const { step } = presented;
  const requesters = await requestersOf(step, ports);
  // Whoever asked must not approve it, and nobody knows who that is.
  if (requesters === undefined) throw deniedWith(held, "and who asked for its step can't be told any more");
  const now = ports.clock.now();
  const approvalId = newId("callApproval", now, ports.random.bytes(ID_RANDOM_BYTES));
  const until = Math.min(addSeconds(secondsOf(now), ports.approvalSeconds), step.expiresAt) as UnixSeconds;
  const denial = waiting(held, { approvalId, until });
  const decision = denied(asker, request, presented, denial, ports);
  const { decisionId } = decision;
  const result = await ports.ledger.perform({
    act: "pend-call",
    ...standsOn(held),
    decision: { ...decision, caller: refusedCaller(asker.caller) },
    pending: {
      approvalId,
      stepId: step.stepId,
      askerEntryId: asker.entry.entryId,
      call,
      ...heldBack,
      until,
      requestDigest,
      requesters,
      decisionId,
    },
    now,
  });
  if (isDenial(result)) {
    if (result.code === "LIMIT_EXCEEDED") throw deniedWith(held, `and ${result.message} already`);
    throw errorOf(result);
  }
  if (result.kind === "pending") return denialAnswer(denial, decisionId);
  if (result.state === "refused") throw refused(held, await answeredMeanwhile(result.approvalId, ports));
  throw waiting(held, { approvalId: result.approvalId, until: result.until });
}

/** A call that was refused after its question was looked for, and before it was put. */
async function answeredMeanwhile(approvalId: string, { callApprovals }: PendCallPorts): Promise<CallApproval> {
  const approval = await callApprovals.callApproval(approvalId);
  if (approval === undefined) throw new RangeError("the ledger names a call that it does not have");
  return approval;
}
