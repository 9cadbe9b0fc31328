import { type NodeName, parseNodeName } from "./node-name.ts";

/** What one of the brokers that share a ledger says of itself to the others. It is recorded nowhere, and goes with the broker's lease. */
export type ReplicaReport = {
  /** The nodes whose agents are there. */
  readonly nodes: readonly NodeName[];
  /** Absent: it has not said. */
  readonly receipts?: ReceiptReport;
};

/** Where the verifiers stand that one broker has. */
export type ReceiptReport = {
  /** Everything up to this sequence was told to its verifiers, or is on its way to them. */
  readonly through: number;
  /** Those with a process that watches there, or did and may still believe what it was told. No other has one there. */
  readonly verifiers: readonly ReportedVerifier[];
  /** Entries of which a process may be left from before that broker started. */
  readonly unknown: readonly string[];
};

export type ReportedVerifier = {
  readonly entryId: string;
  /** The sequence that all of its processes there have applied. */
  readonly applied: number;
  readonly isConnected: boolean;
};

export const NO_REPORT: ReplicaReport = { nodes: [] };

/** The report that another broker wrote; nothing where it is not what this program writes, as of a newer version. */
export function replicaReportFrom(value: unknown): ReplicaReport {
  const { nodes, receipts } = membersOf(value);
  const known = receiptReportFrom(receipts);
  return {
    nodes: Array.isArray(nodes) ? nodes.flatMap((one) => parseNodeName(one) ?? []) : [],
    ...(known === undefined ? {} : { receipts: known }),
  };
}

/** Of a part that is not understood nothing is believed. */
function receiptReportFrom(value: unknown): ReceiptReport | undefined {
  const { through, verifiers, unknown } = membersOf(value);
  if (!isSequence(through) || !Array.isArray(verifiers) || !verifiers.every(isReported)) return undefined;
  if (!Array.isArray(unknown) || !unknown.every((one) => typeof one === "string")) return undefined;
  return { through, verifiers, unknown };
}

function isReported(value: unknown): value is ReportedVerifier {
  const { entryId, applied, isConnected } = membersOf(value);
  return typeof entryId === "string" && isSequence(applied) && typeof isConnected === "boolean";
}

function isSequence(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function membersOf(value: unknown): { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null ? (value as { readonly [name: string]: unknown }) : {};
}
