import type { ReplicaStatus, StandbyStatus, StatusGetResponse } from "../../gen/stint/v1/status_pb.js";
import { authorityView } from "./authority-view.ts";
import { instantCell, instantField } from "./fields.ts";
import { verifierView } from "./verifier-view.ts";
import { recordOf, styleOf, type View } from "./view.ts";

const MEBIBYTE = 1_024 * 1_024;

/** A broker among those that share the ledger. */
export const replicaView: View<ReplicaStatus> = {
  fields: [
    ["name", (replica) => replica.name],
    ["there", (replica) => replica.there],
    ["answers", (replica) => replica.answers],
    ["leads", (replica) => replica.leads],
    ["told_sequence", (replica) => Number(replica.toldSequence)],
    ["verifiers_connected", (replica) => replica.verifiersConnected],
    ["nodes", (replica) => replica.nodes],
  ],
  columns: [
    { header: "BROKER", text: (replica) => (replica.answers ? `${replica.name} (this one)` : replica.name) },
    {
      header: "THERE",
      text: (replica) => (replica.there ? "yes" : "no"),
      style: (replica) => styleOf(replica.there, !replica.there),
    },
    { header: "LEADS", text: (replica) => (replica.leads ? "yes" : "no") },
    { header: "TOLD", text: (replica) => String(replica.toldSequence), align: "right" },
    { header: "VERIFIERS", text: (replica) => String(replica.verifiersConnected), align: "right" },
    { header: "NODES", text: (replica) => replica.nodes.join(" ") },
  ],
};

/** A warm standby. */
export const standbyView: View<StandbyStatus> = {
  fields: [
    ["name", (standby) => standby.name],
    ["since", (standby) => instantField(standby.since)],
    ["sent_sequence", (standby) => Number(standby.sentSequence)],
    ["lag", (standby) => Number(standby.lag)],
  ],
  columns: [
    { header: "STANDBY", text: (standby) => standby.name },
    { header: "SINCE", text: (standby) => instantCell(standby.since) },
    { header: "SENT", text: (standby) => String(standby.sentSequence), align: "right" },
    { header: "LAG", text: (standby) => String(standby.lag), align: "right" },
  ],
};

/** All of it, as data. */
export const statusView: View<StatusGetResponse> = {
  fields: [
    ["ready", (status) => status.ready],
    ["reasons", (status) => status.reasons],
    ["warnings", (status) => status.warnings],
    ["trust_domain", (status) => status.trustDomain],
    ["epoch", (status) => status.epoch],
    ["sequence", (status) => Number(status.sequence)],
    ["open_steps", (status) => status.openSteps ?? null],
    ["upstream_expires_at", (status) => instantField(status.upstreamExpiresAt)],
    ["verifiers_connected", (status) => status.verifiersConnected],
    ["disk_free_bytes", ({ disk }) => (disk === undefined ? null : Number(disk.freeBytes))],
    ["disk_free_bytes_min", ({ disk }) => (disk === undefined ? null : Number(disk.freeBytesMin))],
    ["ledger_bytes", ({ disk }) => (disk === undefined ? null : Number(disk.ledgerBytes))],
    ["authorities", ({ authorities }) => authorities.map((one) => recordOf(authorityView, one))],
    ["verifiers", ({ verifiers }) => verifiers.map((one) => recordOf(verifierView, one))],
    ["replicas", ({ replicas }) => replicas.map((one) => recordOf(replicaView, one))],
    ["standbys", ({ standbys }) => standbys.map((one) => recordOf(standbyView, one))],
  ],
  columns: [],
};

/** What stands above the tables of authorities and verifiers, for a person. */
export const summaryView: View<StatusGetResponse> = {
  fields: [
    ["ready", (status) => (status.ready ? "yes" : "no")],
    ["because", ({ ready, reasons }) => (ready ? undefined : reasons.join("; "))],
    ["warning", ({ warnings }) => (warnings.length === 0 ? undefined : warnings.join("; "))],
    ["trust_domain", (status) => status.trustDomain],
    ["ledger", ({ epoch, sequence }) => `event ${sequence} of epoch ${epoch}`],
    ["open_steps", ({ openSteps }) => openSteps ?? "not known just now"],
    ["upstream_expires_at", ({ upstreamExpiresAt }) => instantField(upstreamExpiresAt) ?? undefined],
    ["verifiers_connected", (status) => status.verifiersConnected],
    ["disk", diskText],
  ],
  columns: [],
};

function diskText({ disk }: StatusGetResponse): string | undefined {
  if (disk === undefined) return undefined;
  const [free, least, ledger] = [disk.freeBytes, disk.freeBytesMin, disk.ledgerBytes].map(
    (bytes) => `${(Number(bytes) / MEBIBYTE).toFixed(1)} MiB`,
  );
  return `${free} free, at least ${least} needed; the ledger takes ${ledger}`;
}
