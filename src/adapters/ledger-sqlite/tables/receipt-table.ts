import type { UnixMicros } from "../../../domain/time.ts";

export const RECEIPT = {
  put: `
    INSERT INTO receipt (entry_id, sequence, acknowledged_at_us) VALUES (@entryId, @sequence, @at)
    ON CONFLICT (entry_id) DO UPDATE
       SET sequence = excluded.sequence, acknowledged_at_us = excluded.acknowledged_at_us
     WHERE excluded.sequence > receipt.sequence`,
  all: "SELECT entry_id AS entryId, sequence, acknowledged_at_us AS at FROM receipt ORDER BY entry_id",
  of: "SELECT sequence FROM receipt WHERE entry_id = @entryId",
} as const;

export type ReceiptRow = { readonly entryId: string; readonly sequence: number; readonly at: UnixMicros };
