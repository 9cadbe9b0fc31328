import type { GrantUse } from "../../gen/stint/v1/history_pb.js";
import { textField } from "./fields.ts";
import type { View } from "./view.ts";

export const grantUseView: View<GrantUse> = {
  fields: [
    ["agent", (use) => use.agent],
    ["run_id", (use) => textField(use.stepName?.runId ?? "")],
    ["step", (use) => textField(use.stepName?.step ?? "")],
    ["attempt", (use) => use.stepName?.attempt ?? null],
    ["step_id", (use) => textField(use.stepId)],
    ["tool", (use) => use.tool],
    ["granted_actions", (use) => use.grantedActions],
    ["used_actions", (use) => use.usedActions],
    ["calls", (use) => Number(use.calls)],
    ["calls_in_vain", (use) => Number(use.callsInVain)],
    ["steps_granted", (use) => use.stepsGranted],
    ["steps_used", (use) => use.stepsUsed],
  ],
  columns: [
    { header: "AGENT", text: (use) => use.agent },
    { header: "RUN", text: (use) => use.stepName?.runId ?? "" },
    { header: "STEP", text: (use) => use.stepName?.step ?? "" },
    { header: "TOOL", text: (use) => use.tool },
    { header: "GRANTED", text: (use) => use.grantedActions.join(" ") },
    {
      header: "USED",
      text: (use) => (use.usedActions.length === 0 ? "nothing" : use.usedActions.join(" ")),
      style: (use) => (use.usedActions.length === 0 ? "yellow" : undefined),
    },
    { header: "CALLS", text: (use) => String(use.calls), align: "right" },
    { header: "IN_VAIN", text: (use) => String(use.callsInVain), align: "right" },
    { header: "STEPS", text: (use) => `${use.stepsUsed}/${use.stepsGranted}`, align: "right" },
  ],
};
