import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Receipts } from "../../close/receipts.ts";
import { ReceiptState, type ReceiptsSchema } from "../../gen/stint/v1/types_pb.js";
import { timestampOfMicros } from "../../wire/timestamps.ts";

export function receiptsMessageOf(receipts: Receipts): MessageInitShape<typeof ReceiptsSchema> {
  return {
    expected: receipts.expected,
    applied: receipts.applied,
    latestPossibleAcceptance: timestampOfMicros(receipts.latestPossibleAcceptance),
    verifiers: receipts.verifiers.map((one) => ({
      verifier: one.verifier,
      state: ReceiptState[one.state],
      ...(one.appliedAt === undefined ? {} : { appliedAt: timestampOfMicros(one.appliedAt) }),
      ...(one.lapsesAt === undefined ? {} : { lapsesAt: timestampOfMicros(one.lapsesAt) }),
    })),
  };
}
