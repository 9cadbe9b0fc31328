import { type Decision, Effect } from "../../gen/stint/v1/history_pb.js";
import type { PolicyFlip } from "../../gen/stint/v1/policies_pb.js";
import type { GrantElement } from "../../gen/stint/v1/types_pb.js";
import type { FlipCount } from "../policy/flip-counts.ts";
import { enumField, grantField, instantCell, instantField, sequenceField } from "./fields.ts";
import { styleOf, type View } from "./view.ts";

export const flipView: View<PolicyFlip> = {
  fields: [
    ["sequence", ({ decision }) => sequenceField(decision?.sequence ?? 0n)],
    ["decision_id", ({ decision }) => decision?.decisionId ?? null],
    ["decided_at", ({ decision }) => instantField(decision?.decidedAt)],
    ["act", ({ decision }) => decision?.act ?? null],
    ["agent", ({ decision }) => decision?.agent ?? null],
    ["run_id", ({ decision }) => decision?.stepName?.runId ?? null],
    ["step", ({ decision }) => decision?.stepName?.step ?? null],
    ["before", ({ decision }) => effectText(decision?.effect)],
    ["after", ({ effect }) => effectText(effect)],
    ["gained", ({ gained }) => grantField(gained)],
    ["lost", ({ lost }) => grantField(lost)],
    ["determining_policies", ({ determiningPolicies }) => determiningPolicies],
    ["policy_errors", ({ policyErrors }) => policyErrors],
    ["reconstructed", ({ reconstructed }) => reconstructed],
  ],
  columns: [
    { header: "SEQUENCE", text: ({ decision }) => String(decision?.sequence ?? ""), align: "right" },
    { header: "DECIDED", text: ({ decision }) => instantCell(decision?.decidedAt) },
    { header: "AGENT", text: ({ decision }) => decision?.agent ?? "" },
    { header: "STEP", text: ({ decision }) => stepText(decision) },
    { header: "BEFORE", text: ({ decision }) => effectText(decision?.effect) },
    {
      header: "AFTER",
      text: ({ effect }) => effectText(effect),
      style: ({ effect }) => styleOf(effect === Effect.ALLOW, effect === Effect.DENY),
    },
    { header: "TOOLS", text: (flip) => toolsOf(flip).join(" ") },
    { header: "POLICIES", text: ({ determiningPolicies }) => determiningPolicies.join(" ") },
  ],
};

export const flipCountView: View<FlipCount> = {
  fields: [
    ["agent", ({ agent }) => agent],
    ["tool", ({ tool }) => tool],
    ["lost", ({ lost }) => lost],
    ["gained", ({ gained }) => gained],
  ],
  columns: [
    { header: "AGENT", text: ({ agent }) => agent },
    { header: "TOOL", text: ({ tool }) => tool },
    { header: "LOST", text: ({ lost }) => String(lost), align: "right" },
    { header: "GAINED", text: ({ gained }) => String(gained), align: "right" },
  ],
};

function effectText(effect: Effect | undefined): string {
  return effect === undefined ? "" : enumField(Effect, effect).toLowerCase();
}

function stepText(decision: Decision | undefined): string {
  const { runId = "", step = "" } = decision?.stepName ?? {};
  return `${runId}/${step}`;
}

/** `-` for what would be lost, `+` for what would be gained. */
function toolsOf({ gained, lost }: PolicyFlip): readonly string[] {
  const named = (sign: string, elements: readonly GrantElement[]) =>
    elements.map(({ identifier }) => `${sign}${identifier}`);
  return [...new Set([...named("-", lost?.elements ?? []), ...named("+", gained?.elements ?? [])])];
}
