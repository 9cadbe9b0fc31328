import type { LegalHold } from "../../gen/stint/v1/retention_pb.js";
import { instantCell, instantField } from "./fields.ts";
import type { View } from "./view.ts";

const SCOPES = { runId: "run", agent: "agent", principalId: "principal" } as const;

export const holdView: View<LegalHold> = {
  fields: [
    ["hold_id", ({ holdId }) => holdId],
    ["scope", scopeOf],
    ["value", ({ scope }) => scope.value ?? null],
    ["reason", ({ reason }) => reason],
    ["placed_at", ({ placedAt }) => instantField(placedAt)],
  ],
  columns: [
    { header: "HOLD_ID", text: ({ holdId }) => holdId },
    { header: "SCOPE", text: scopeOf },
    { header: "VALUE", text: ({ scope }) => scope.value ?? "" },
    { header: "PLACED", text: ({ placedAt }) => instantCell(placedAt) },
    { header: "REASON", text: ({ reason }) => reason },
  ],
};

function scopeOf({ scope }: LegalHold): string {
  return scope.case === undefined ? "" : SCOPES[scope.case];
}
