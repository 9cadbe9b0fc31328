import { type RiskInForce, RiskLevel } from "../../gen/stint/v1/risk_pb.js";
import { enumField, instantCell, instantField, sequenceField } from "./fields.ts";
import { styleOf, type View } from "./view.ts";

export const riskView: View<RiskInForce> = {
  fields: [
    ["scope", ({ scope }) => scope],
    ["level", levelOf],
    ["expires_at", ({ expiresAt }) => instantField(expiresAt)],
    ["reason", ({ reason }) => reason],
    ["sequence", ({ sequence }) => sequenceField(sequence)],
  ],
  columns: [
    { header: "SCOPE", text: ({ scope }) => scope },
    { header: "LEVEL", text: levelOf, style: ({ level }) => styleOf(false, level === RiskLevel.HIGH) },
    { header: "EXPIRES", text: ({ expiresAt }) => instantCell(expiresAt) },
    { header: "REASON", text: ({ reason }) => reason },
  ],
};

function levelOf({ level }: RiskInForce): string {
  return enumField(RiskLevel, level).toLowerCase();
}
