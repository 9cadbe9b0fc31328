import { ReceiptState, type Receipts } from "../../gen/stint/v1/types_pb.js";
import { enumField, instantField } from "./fields.ts";
import type { Json } from "./view.ts";

/** Who has applied a close, as data. */
export function receiptFields(receipts: Receipts): Json {
  return {
    expected: receipts.expected,
    applied: receipts.applied,
    latest_possible_acceptance: instantField(receipts.latestPossibleAcceptance),
    verifiers: verifierFields(receipts.verifiers),
  };
}

export function verifierFields(verifiers: Receipts["verifiers"]): Json {
  return verifiers.map((one) => ({
    verifier: one.verifier,
    state: enumField(ReceiptState, one.state),
    applied_at: instantField(one.appliedAt),
    lapses_at: instantField(one.lapsesAt),
  }));
}
