import type { PrincipalRecord } from "../../sdk/operator/index.ts";
import { instantCell, instantField } from "./fields.ts";
import { type Json, styleOf, type View } from "./view.ts";

export const principalView: View<PrincipalRecord> = {
  fields: [
    ["principal_id", ({ principalId }) => principalId],
    ["issuer", ({ name }) => name?.issuer ?? null],
    ["subject", ({ name }) => name?.subject ?? null],
    ["claims", claimsOf],
    ["open_steps", ({ openSteps }) => openSteps],
    ["last_opened_at", ({ lastOpenedAt }) => instantField(lastOpenedAt)],
    ["offboarded_at", ({ offboardedAt }) => instantField(offboardedAt)],
    ["erased_at", ({ erasedAt }) => instantField(erasedAt)],
  ],
  columns: [
    { header: "SUBJECT", text: (principal) => principal.name?.subject ?? unknownBecause(principal) },
    { header: "ISSUER", text: ({ name }) => name?.issuer ?? "" },
    { header: "OPEN_STEPS", text: ({ openSteps }) => String(openSteps), align: "right" },
    { header: "LAST_OPENED", text: ({ lastOpenedAt }) => instantCell(lastOpenedAt) },
    {
      header: "OFFBOARDED",
      text: ({ offboardedAt }) => instantCell(offboardedAt),
      style: () => styleOf(false, true),
    },
    { header: "PRINCIPAL_ID", text: ({ principalId }) => principalId },
  ],
};

/** What stands where a name would. */
function unknownBecause({ erasedAt, lastOpenedAt }: PrincipalRecord): string {
  if (erasedAt !== undefined) return "(erased)";
  return lastOpenedAt === undefined ? "(never seen)" : "(no key)";
}

function claimsOf({ claimsJson }: PrincipalRecord): Json {
  return claimsJson === "" ? null : (JSON.parse(claimsJson) as Json);
}
