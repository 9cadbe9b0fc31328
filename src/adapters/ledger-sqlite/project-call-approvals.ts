import { canonicalText } from "../../domain/canonical-json.ts";
import { answerOf, type CallApproved, type CallPending, type CallRefused } from "../../domain/ledger-event.ts";
import type { Connection } from "./connection.ts";
import { ProjectionMismatch } from "./projection-mismatch.ts";
import { CALL_APPROVAL, parametersOfPendingCall } from "./tables/call-approval-table.ts";
import { STEP } from "./tables/step-table.ts";

export function pendCall(db: Connection, { pending, at }: CallPending, sequence: number): void {
  const step = db.get<{ readonly sequence: number }>(STEP.sequenceOf, { stepId: pending.stepId });
  if (step === undefined) throw new ProjectionMismatch(sequence);
  const stepSequence = step.sequence;
  db.run(CALL_APPROVAL.insert, parametersOfPendingCall(pending, { sequence, stepSequence, at }));
  db.run(STEP.insertEvent, { stepSequence, sequence });
}

export function answerCall(db: Connection, event: CallApproved | CallRefused, sequence: number): void {
  const { approvalId } = event;
  const isApproved = event.type === "call.approved";
  const changed = db.run(CALL_APPROVAL.answer, {
    approvalId,
    approved: isApproved ? 1 : 0,
    answer: canonicalText(answerOf(event, isApproved)),
    until: isApproved ? event.until : null,
  });
  const asked = db.get<{ readonly stepSequence: number }>(CALL_APPROVAL.stepOf, { approvalId });
  if (changed !== 1 || asked === undefined) throw new ProjectionMismatch(sequence);
  db.run(STEP.insertEvent, { stepSequence: asked.stepSequence, sequence });
}

/** The call that was approved is made: nobody makes it again by this approval. */
export function useApproval(
  db: Connection,
  use: { readonly approvalId: string; readonly decisionId: string },
  sequence: number,
): void {
  if (db.run(CALL_APPROVAL.use, use) !== 1) throw new ProjectionMismatch(sequence);
}
