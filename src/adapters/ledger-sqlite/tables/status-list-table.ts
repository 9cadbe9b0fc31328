import type { IssuanceRecorded } from "../../../domain/ledger-event.ts";
import { statusListEnd } from "../../../domain/status-list.ts";
import { secondsOf } from "../../../domain/time.ts";
import type { SqlParameters } from "../connection.ts";

export const STATUS_LIST = {
  /** Of the list's first token; those that follow change nothing. */
  begin: `
    INSERT INTO status_list (list, first_sequence, ends_at_s) VALUES (@list, @sequence, @endsAt)
    ON CONFLICT (list) DO NOTHING`,
  endingAfter: "SELECT list, ends_at_s AS endsAt FROM status_list WHERE ends_at_s > @now ORDER BY ends_at_s, list",
} as const;

/** @returns nothing for a credential that names no list. */
export function parametersOfStatusList(
  { issuance: { status }, at }: IssuanceRecorded,
  sequence: number,
): SqlParameters | undefined {
  if (status === undefined) return undefined;
  return { list: status.list, sequence, endsAt: statusListEnd(secondsOf(at)) };
}
