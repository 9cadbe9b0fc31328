import { type Issuance, IssuanceState } from "../../gen/stint/v1/types_pb.js";
import { svidKindOf } from "../../wire/issuance-message.ts";
import { enumField, grantField, hexField, instantCell, instantField, sequenceField, textField } from "./fields.ts";
import { styleOf, type View } from "./view.ts";

export const issuanceView: View<Issuance> = {
  fields: [
    ["sequence", (issuance) => sequenceField(issuance.sequence)],
    ["issuance_id", (issuance) => issuance.issuanceId],
    ["kind", (issuance) => kindOf(issuance)],
    ["state", (issuance) => enumField(IssuanceState, issuance.state)],
    ["spiffe_id", (issuance) => issuance.spiffeId],
    ["agent", (issuance) => textField(issuance.agent)],
    ["run_id", (issuance) => textField(issuance.stepName?.runId ?? "")],
    ["step", (issuance) => textField(issuance.stepName?.step ?? "")],
    ["attempt", (issuance) => issuance.stepName?.attempt ?? null],
    ["step_id", (issuance) => textField(issuance.stepId)],
    ["entry_id", (issuance) => textField(issuance.entryId)],
    ["serial_number", (issuance) => textField(issuance.serialNumber)],
    ["jti", (issuance) => textField(issuance.jti)],
    ["audiences", (issuance) => issuance.audiences],
    ["grant", (issuance) => grantField(issuance.grant)],
    ["issued_at", (issuance) => instantField(issuance.issuedAt)],
    ["not_before", (issuance) => instantField(issuance.notBefore)],
    ["expires_at", (issuance) => instantField(issuance.expiresAt)],
    ["revoked_at", (issuance) => instantField(issuance.revokedAt)],
    ["revocation_reason", (issuance) => textField(issuance.revocationReason)],
    ["authority_id", (issuance) => issuance.authorityId],
    ["to_be_signed_sha256", (issuance) => hexField(issuance.toBeSignedSha256)],
  ],
  columns: [
    { header: "SEQUENCE", text: (issuance) => String(issuance.sequence), align: "right" },
    { header: "KIND", text: (issuance) => kindOf(issuance) },
    { header: "RUN", text: (issuance) => issuance.stepName?.runId ?? "" },
    { header: "STEP", text: (issuance) => issuance.stepName?.step ?? "" },
    { header: "ATTEMPT", text: (issuance) => String(issuance.stepName?.attempt ?? ""), align: "right" },
    { header: "AGENT", text: (issuance) => issuance.agent },
    {
      header: "STATE",
      text: (issuance) => enumField(IssuanceState, issuance.state),
      style: ({ state }) => styleOf(state === IssuanceState.LIVE, state === IssuanceState.REVOKED),
    },
    { header: "ISSUED", text: (issuance) => instantCell(issuance.issuedAt) },
    { header: "EXPIRES", text: (issuance) => instantCell(issuance.expiresAt) },
    { header: "ID", text: (issuance) => (issuance.jti === "" ? issuance.serialNumber : issuance.jti) },
  ],
};

function kindOf(issuance: Issuance): string {
  return svidKindOf(issuance.kind) ?? `UNKNOWN_${issuance.kind}`;
}
