import type { MessageInitShape } from "@bufbuild/protobuf";
import type { EventSchema } from "../../gen/stint/v1/history_pb.js";
import type { EventRow } from "../../ports/ledger-reads.ts";
import { timestampOfMicros } from "../../wire/timestamps.ts";

export function eventMessageOf(row: EventRow): MessageInitShape<typeof EventSchema> {
  return {
    sequence: BigInt(row.sequence),
    recordedAt: timestampOfMicros(row.recordedAt),
    type: row.type,
    canonical: row.canonical,
    leafHash: row.leafHash,
  };
}
