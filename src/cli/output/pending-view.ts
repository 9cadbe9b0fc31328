import type { Step } from "../../gen/stint/v1/types_pb.js";
import { instantCell } from "./fields.ts";
import { stepView } from "./step-view.ts";
import type { View } from "./view.ts";

/** Steps that wait for approval, by what somebody looks at who is to approve them. */
export const pendingView: View<Step> = {
  fields: stepView.fields,
  columns: [
    { header: "STEP_ID", text: (step) => step.stepId },
    { header: "RUN", text: (step) => step.name?.runId ?? "" },
    { header: "STEP", text: (step) => step.name?.step ?? "" },
    { header: "AGENT", text: (step) => step.agent },
    { header: "GRANT", text: (step) => grantText(step) },
    { header: "HELD_BACK_BY", text: (step) => step.approval?.policies.join(" ") ?? "" },
    { header: "ASKED_BY", text: (step) => step.approval?.requesterUids.map((uid) => `uid ${uid}`).join(" ") ?? "" },
    { header: "UNTIL", text: (step) => instantCell(step.approval?.until) },
  ],
};

/** Which tools for what: `pay:write search:read,move_data`. */
export function grantText({ grant }: Step): string {
  return (grant?.elements ?? []).map(({ identifier, actions }) => `${identifier}:${actions.join(",")}`).join(" ");
}
