import type { SignedReceipt } from "../../../domain/signed-receipt.ts";
import type { UnixMicros } from "../../../domain/time.ts";
import type { RecordedReceipt } from "../../../ports/ledger-reads.ts";

export const RECEIPT = {
  put: `
    INSERT INTO receipt (entry_id, sequence, acknowledged_at_us, signed) VALUES (@entryId, @sequence, @at, @signed)
    ON CONFLICT (entry_id) DO UPDATE
       SET sequence = excluded.sequence, acknowledged_at_us = excluded.acknowledged_at_us,
           signed = coalesce(excluded.signed, receipt.signed)
     WHERE excluded.sequence > receipt.sequence`,
  all: "SELECT entry_id AS entryId, sequence, acknowledged_at_us AS at, signed FROM receipt ORDER BY entry_id",
  of: "SELECT sequence FROM receipt WHERE entry_id = @entryId",
} as const;

export type ReceiptRow = {
  readonly entryId: string;
  readonly sequence: number;
  readonly at: UnixMicros;
  /** JSON. */
  readonly signed: string | null;
};

export function receiptOf({ signed, ...receipt }: ReceiptRow): RecordedReceipt {
  return signed === null ? receipt : { ...receipt, signed: JSON.parse(signed) as SignedReceipt };
}
