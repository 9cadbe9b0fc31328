import { type CallApproval, CallApprovalState } from "../../gen/stint/v1/approvals_pb.js";
import { answerField } from "./approval-answer-field.ts";
import { callField } from "./decision-view.ts";
import { enumField, hexField, instantCell, instantField, textField } from "./fields.ts";
import { styleOf, type View } from "./view.ts";

/** Calls that wait for approval, or did, by what somebody looks at who is to approve them. */
export const callApprovalView: View<CallApproval> = {
  fields: [
    ["approval_id", (approval) => approval.approvalId],
    ["state", stateOf],
    ["call", ({ call }) => callField(call)],
    ["agent", (approval) => approval.agent],
    ["run_id", ({ stepName }) => textField(stepName?.runId ?? "")],
    ["step", ({ stepName }) => textField(stepName?.step ?? "")],
    ["attempt", ({ stepName }) => stepName?.attempt ?? null],
    ["step_id", (approval) => approval.stepId],
    ["asker_entry_id", (approval) => approval.askerEntryId],
    ["role", (approval) => approval.role],
    ["held_back_by", (approval) => approval.policies],
    ["asked_at", (approval) => instantField(approval.askedAt)],
    ["until", (approval) => instantField(approval.until)],
    ["request_digest", (approval) => approval.requestDigest],
    ["requester_uids", (approval) => approval.requesterUids],
    ["decision_id", (approval) => approval.decisionId],
    ["answer", ({ answer }) => answerField(answer)],
    ["used_decision_id", (approval) => textField(approval.usedDecisionId)],
  ],
  columns: [
    { header: "APPROVAL_ID", text: (approval) => approval.approvalId },
    {
      header: "STATE",
      text: stateOf,
      style: ({ state }) => styleOf(state === CallApprovalState.APPROVED, state === CallApprovalState.REFUSED),
    },
    { header: "RUN", text: ({ stepName }) => stepName?.runId ?? "" },
    { header: "STEP", text: ({ stepName }) => stepName?.step ?? "" },
    { header: "AGENT", text: (approval) => approval.agent },
    { header: "CALL", text: callCell },
    // Enough to tell two calls of one tool apart; whoever approves compares all of it.
    {
      header: "ARGUMENTS",
      text: ({ call }) => hexField(call?.argumentsSha256 ?? new Uint8Array())?.slice(0, 12) ?? "",
    },
    { header: "HELD_BACK_BY", text: ({ policies }) => policies.join(" ") },
    { header: "ASKED_BY", text: ({ requesterUids }) => requesterUids.map((uid) => `uid ${uid}`).join(" ") },
    { header: "UNTIL", text: ({ until }) => instantCell(until) },
  ],
};

function stateOf({ state }: CallApproval): string {
  return enumField(CallApprovalState, state).toLowerCase();
}

/** `pay:write at https://mcp.example.org/mcp (internal)`. */
function callCell({ call }: CallApproval): string {
  if (call === undefined) return "";
  return `${call.tool}:${call.actions.join(",")} at ${call.location} (${call.datatypes.join(",")})`;
}
