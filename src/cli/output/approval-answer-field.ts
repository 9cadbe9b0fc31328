import type { ApprovalAnswer } from "../../gen/stint/v1/types_pb.js";
import { instantField } from "./fields.ts";
import type { Json } from "./view.ts";

/** What an operator said of something that waited. */
export function answerField(answer: ApprovalAnswer | undefined): Json {
  if (answer === undefined) return null;
  return {
    approved: answer.approved,
    entry_id: answer.entryId,
    uid: answer.uid ?? null,
    reason: answer.reason,
    answered_at: instantField(answer.answeredAt),
  };
}
