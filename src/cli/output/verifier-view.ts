import type { VerifierStatus } from "../../gen/stint/v1/history_pb.js";
import { instantCell, instantField, processField, secondsField, sequenceField } from "./fields.ts";
import { styleOf, type View } from "./view.ts";

export const verifierView: View<VerifierStatus> = {
  fields: [
    ["name", (verifier) => verifier.name],
    ["connected", (verifier) => verifier.connected],
    ["connected_since", (verifier) => instantField(verifier.connectedSince)],
    ["last_seen", (verifier) => instantField(verifier.lastSeen)],
    ["audiences", (verifier) => verifier.audiences],
    ["max_staleness_seconds", (verifier) => secondsField(verifier.maxStaleness)],
    ["acknowledged_sequence", (verifier) => sequenceField(verifier.acknowledgedSequence)],
    ["lag", (verifier) => Number(verifier.lag)],
    ["process", (verifier) => processField(verifier.process)],
  ],
  columns: [
    { header: "VERIFIER", text: (verifier) => verifier.name },
    {
      header: "CONNECTED",
      text: (verifier) => (verifier.connected ? "yes" : "no"),
      style: (verifier) => styleOf(verifier.connected, !verifier.connected),
    },
    { header: "SINCE", text: (verifier) => instantCell(verifier.connectedSince) },
    { header: "LAST_SEEN", text: (verifier) => instantCell(verifier.lastSeen) },
    { header: "CURSOR", text: (verifier) => String(verifier.acknowledgedSequence), align: "right" },
    { header: "LAG", text: (verifier) => String(verifier.lag), align: "right" },
    { header: "MAX_STALENESS", text: (verifier) => `${secondsField(verifier.maxStaleness) ?? ""}s`, align: "right" },
    { header: "AUDIENCES", text: (verifier) => verifier.audiences.join(" ") },
  ],
};
