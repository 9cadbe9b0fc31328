import type { PolicyFinding } from "../../ports/policy-engine.ts";
import type { CaseResult } from "../policy/run-cases.ts";
import { showControls } from "./show-controls.ts";
import { styleOf, type View } from "./view.ts";

/** `site.cedar:12:3: message`: one line, in the form that editors and terminals can follow. */
export function formatFinding({ file, line, column, message }: PolicyFinding): string {
  return `${showControls(`${file}:${line}:${column}: ${message}`)}\n`;
}

export const findingView: View<PolicyFinding> = {
  fields: [
    ["file", ({ file }) => file],
    ["line", ({ line }) => line],
    ["column", ({ column }) => column],
    ["policy", ({ policyId }) => policyId ?? null],
    ["message", ({ message }) => message],
  ],
  columns: [],
};

const outcome = ({ differences }: CaseResult): string => (differences.length === 0 ? "passed" : "failed");

export const resultView: View<CaseResult> = {
  fields: [
    ["result", outcome],
    ["name", (result) => result.case.name],
    ["file", (result) => result.case.file],
    ["line", (result) => result.case.line],
    ["policies", ({ policies }) => policies],
    ["differences", ({ differences }) => differences],
  ],
  columns: [
    {
      header: "RESULT",
      text: outcome,
      style: ({ differences }) => styleOf(differences.length === 0, differences.length > 0),
    },
    { header: "TEST", text: (result) => result.case.name },
    { header: "AT", text: (result) => `${result.case.file}:${result.case.line}:${result.case.column}` },
    {
      header: "WHY",
      text: ({ policies, differences }) => (differences.length > 0 ? differences : policies).join("; "),
    },
  ],
};
