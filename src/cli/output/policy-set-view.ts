import { type PolicyActivation, PolicyOrigin, type PolicySet } from "../../gen/stint/v1/policies_pb.js";
import type { PolicyChange } from "../policy/set-difference.ts";
import type { WholeSet } from "../policy/whole-set.ts";
import { enumField, instantCell, instantField, textField } from "./fields.ts";
import { styleOf, type View } from "./view.ts";

export const policySetView: View<PolicySet> = {
  fields: [
    ["version", ({ version }) => version],
    ["in_force", ({ inForce }) => inForce],
    ["origin", (set) => originOf(set)],
    ["policies", ({ policies }) => policies],
    ["put_at", ({ putAt }) => instantField(putAt)],
    ["activated_at", ({ activatedAt }) => instantField(activatedAt)],
    ["root", ({ root }) => root],
  ],
  columns: [
    { header: "VERSION", text: ({ version }) => String(version), align: "right" },
    {
      header: "IN_FORCE",
      text: ({ inForce }) => (inForce ? "yes" : "no"),
      style: ({ inForce }) => styleOf(inForce, false),
    },
    { header: "ORIGIN", text: originOf },
    { header: "POLICIES", text: ({ policies }) => String(policies), align: "right" },
    { header: "PUT", text: ({ putAt }) => instantCell(putAt) },
    { header: "ACTIVATED", text: ({ activatedAt }) => instantCell(activatedAt) },
    { header: "ROOT", text: ({ root }) => root.slice(0, 16) },
  ],
};

function originOf({ origin }: PolicySet): string {
  return enumField(PolicyOrigin, origin).toLowerCase();
}

type PolicyRow = WholeSet["policies"][number];

export const policyRowView: View<PolicyRow> = {
  fields: [
    ["policy", ({ policyId }) => policyId],
    ["file", ({ file }) => file],
    ["line", ({ line }) => line],
    ["text", ({ text }) => text],
  ],
  columns: [
    { header: "POLICY", text: ({ policyId }) => policyId },
    { header: "AT", text: ({ file, line }) => `${file}:${line}` },
    { header: "BYTES", text: ({ text }) => String(Buffer.byteLength(text)), align: "right" },
  ],
};

export const changeView: View<PolicyChange> = {
  fields: [
    ["change", ({ change }) => change],
    ["kind", ({ kind }) => kind],
    ["name", ({ name }) => name],
    ["before", ({ before }) => before ?? null],
    ["after", ({ after }) => after ?? null],
  ],
  columns: [
    {
      header: "CHANGE",
      text: ({ change }) => change,
      style: ({ change }) => styleOf(change === "added", change === "removed"),
    },
    { header: "KIND", text: ({ kind }) => kind },
    { header: "NAME", text: ({ name }) => name },
    { header: "WHERE", text: ({ where }) => where },
  ],
};

/** What `stint policy status` says. */
export type PolicyStatus = { readonly activation: PolicyActivation | undefined; readonly declaredVersion: number };

export const policyStatusView: View<PolicyStatus> = {
  fields: [
    ["in_force_version", ({ activation }) => activation?.version ?? 0],
    ["declared_version", ({ declaredVersion }) => (declaredVersion === 0 ? null : declaredVersion)],
    ["activated_at", ({ activation }) => instantField(activation?.activatedAt)],
    [
      "activated_by",
      ({ activation }) => (activation === undefined ? null : activation.byOperator ? "operator" : "configuration"),
    ],
    ["reason", ({ activation }) => textField(activation?.reason ?? "")],
  ],
  columns: [],
};
