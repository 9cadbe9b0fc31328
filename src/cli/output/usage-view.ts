import type { UsageCount } from "../../gen/stint/v1/history_pb.js";
import { instantCell, instantField, textField } from "./fields.ts";
import { styleOf, type View } from "./view.ts";

export const usageView: View<UsageCount> = {
  fields: [
    ["agent", (usage) => usage.agent],
    ["run_id", (usage) => textField(usage.stepName?.runId ?? "")],
    ["step", (usage) => textField(usage.stepName?.step ?? "")],
    ["attempt", (usage) => usage.stepName?.attempt ?? null],
    ["step_id", (usage) => usage.stepId],
    ["verifier", (usage) => usage.verifier],
    ["tool", (usage) => usage.tool],
    ["action", (usage) => usage.action],
    ["outcome", (usage) => usage.outcome],
    ["calls", (usage) => Number(usage.calls)],
    ["reported_at", (usage) => instantField(usage.reportedAt)],
    ["gap", (usage) => Number(usage.gap)],
  ],
  columns: [
    { header: "AGENT", text: (usage) => usage.agent },
    { header: "RUN", text: (usage) => usage.stepName?.runId ?? "" },
    { header: "STEP", text: (usage) => usage.stepName?.step ?? "" },
    { header: "ATTEMPT", text: (usage) => String(usage.stepName?.attempt ?? ""), align: "right" },
    { header: "VERIFIER", text: (usage) => usage.verifier },
    { header: "TOOL", text: (usage) => usage.tool },
    { header: "ACTION", text: (usage) => usage.action },
    {
      header: "OUTCOME",
      text: (usage) => usage.outcome,
      style: (usage) => styleOf(usage.outcome === "served", usage.outcome === "refused"),
    },
    { header: "CALLS", text: (usage) => String(usage.calls), align: "right" },
    { header: "REPORTED", text: (usage) => instantCell(usage.reportedAt) },
    { header: "LEFT_OUT", text: (usage) => String(usage.gap), align: "right" },
  ],
};
