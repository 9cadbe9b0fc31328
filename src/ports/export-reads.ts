import type { AuditRecord } from "../domain/audit-record.ts";
import type { Decision } from "../domain/decision.ts";
import type { UnixMicros } from "../domain/time.ts";
import type { EventRow, HistoryFilter, IssuanceRow } from "./ledger-reads.ts";

/**
 * One part of an export: the oldest `limit` rows with a sequence in (after, end]. The bounds keep a read short also where
 * hardly any row passes the filter.
 */
export type ExportWindow = ExportFilter & { readonly after: number; readonly end: number; readonly limit: number };

/** Which rows are exported, as they were at a sequence and an instant. */
export type ExportFilter = Omit<HistoryFilter, "before" | "after" | "oldestFirst" | "limit"> & {
  readonly through: number;
  readonly now: UnixMicros;
};

/** An issuance as it was at a sequence, with what its step was opened by. */
export type ExportedIssuance = IssuanceRow & { readonly decisionId?: string; readonly principalId?: string };

/**
 * Rows as they were at a sequence, oldest first: the same rows whenever they are asked for. On a connection beside the
 * writer, as `HistoryReads` are.
 */
export type ExportReads = {
  /** What became of an issuance later than `through` is left out. */
  exportedIssuances(window: ExportWindow): Promise<readonly ExportedIssuance[]>;
  exportedDecisions(window: ExportWindow): Promise<readonly (Decision & { readonly sequence: number })[]>;
  /** Decisions with what came of them by the sequence `through`. */
  exportedRecords(window: ExportWindow): Promise<readonly (AuditRecord & { readonly sequence: number })[]>;
  exportedEvents(window: ExportWindow): Promise<readonly EventRow[]>;
};
