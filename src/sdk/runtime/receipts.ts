import { timestampDate } from "@bufbuild/protobuf/wkt";
import { ReceiptState as ReceiptStateMessage, type Receipts as ReceiptsMessage } from "../../gen/stint/v1/types_pb.js";

export type Receipts = {
  readonly expected: number;
  readonly applied: number;
  readonly verifiers: readonly VerifierReceipt[];
  /** From here on nobody accepts what was closed. */
  readonly latestPossibleAcceptance: Date | undefined;
};

export type VerifierReceipt = {
  readonly verifier: string;
  readonly state: ReceiptState;
  readonly appliedAt: Date | undefined;
  /** When one that did not acknowledge refuses everything by its staleness bound. */
  readonly lapsesAt: Date | undefined;
};

export type ReceiptState = "APPLIED" | "PENDING" | "DISCONNECTED" | "LAPSED" | "UNKNOWN";

export function receiptsOf(receipts: ReceiptsMessage): Receipts {
  const { latestPossibleAcceptance } = receipts;
  return {
    expected: receipts.expected,
    applied: receipts.applied,
    verifiers: verifierReceiptsOf(receipts.verifiers),
    latestPossibleAcceptance: latestPossibleAcceptance && timestampDate(latestPossibleAcceptance),
  };
}

export function verifierReceiptsOf(receipts: ReceiptsMessage["verifiers"]): readonly VerifierReceipt[] {
  return receipts.map(({ verifier, state, appliedAt, lapsesAt }) => ({
    verifier,
    state: RECEIPT_STATES[state] ?? "UNKNOWN",
    appliedAt: appliedAt && timestampDate(appliedAt),
    lapsesAt: lapsesAt && timestampDate(lapsesAt),
  }));
}

const RECEIPT_STATES = {
  [ReceiptStateMessage.UNSPECIFIED]: "UNKNOWN",
  [ReceiptStateMessage.APPLIED]: "APPLIED",
  [ReceiptStateMessage.PENDING]: "PENDING",
  [ReceiptStateMessage.DISCONNECTED]: "DISCONNECTED",
  [ReceiptStateMessage.LAPSED]: "LAPSED",
} as const satisfies Record<ReceiptStateMessage, ReceiptState>;
