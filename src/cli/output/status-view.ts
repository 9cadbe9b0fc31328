import type { StatusGetResponse } from "../../gen/stint/v1/status_pb.js";
import { authorityView } from "./authority-view.ts";
import { instantField } from "./fields.ts";
import { verifierView } from "./verifier-view.ts";
import { recordOf, type View } from "./view.ts";

const MEBIBYTE = 1_024 * 1_024;

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
