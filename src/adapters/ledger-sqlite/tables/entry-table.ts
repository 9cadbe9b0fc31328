import type { EntryPut } from "../../../domain/ledger-event.ts";
import type { RegistrationEntry } from "../../../domain/registration-entry.ts";
import { eventOf } from "./event-table.ts";

export const ENTRY = {
  put: `
    INSERT INTO registration_entry (
      entry_id, kind, name, spiffe_id, origin, disabled, revision, created_at_us, updated_at_us, put_sequence, open_steps)
    VALUES (
      @entryId, @kind, @name, @spiffeId, @origin, @disabled, @revision, @createdAt, @updatedAt, @sequence, 0)
    ON CONFLICT (entry_id) DO UPDATE
       SET kind = excluded.kind, name = excluded.name, spiffe_id = excluded.spiffe_id, origin = excluded.origin,
           disabled = excluded.disabled, revision = excluded.revision, created_at_us = excluded.created_at_us,
           updated_at_us = excluded.updated_at_us, put_sequence = excluded.put_sequence`,
  retire: "UPDATE registration_entry SET retired_sequence = @sequence WHERE entry_id = @entryId",
  countOpened: "UPDATE registration_entry SET open_steps = open_steps + 1 WHERE entry_id = @entryId",
  countClosed: "UPDATE registration_entry SET open_steps = open_steps - 1 WHERE entry_id = @entryId",
  guard: `
    SELECT revision, disabled, open_steps AS openSteps, retired_sequence AS retiredSequence
      FROM registration_entry WHERE entry_id = @entryId`,
  namesake: `
    SELECT entry_id AS entryId FROM registration_entry
     WHERE kind = @kind AND name = @name AND retired_sequence IS NULL`,
  /** Of an entry that is not retired. */
  byId: `
    SELECT e.canonical FROM registration_entry AS r JOIN event AS e ON e.sequence = r.put_sequence
     WHERE r.entry_id = @entryId AND r.retired_sequence IS NULL`,
  current: `
    SELECT e.canonical FROM registration_entry AS r JOIN event AS e ON e.sequence = r.put_sequence
     WHERE r.retired_sequence IS NULL ORDER BY r.kind, r.name`,
} as const;

export type EntryGuard = {
  readonly revision: number;
  readonly disabled: number;
  readonly openSteps: number;
  readonly retiredSequence: number | null;
};

export function entryOf(row: { readonly canonical: Uint8Array }): RegistrationEntry {
  return (eventOf(row.canonical) as EntryPut).entry;
}
