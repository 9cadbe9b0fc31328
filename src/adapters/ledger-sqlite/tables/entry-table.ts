import { canonicalText } from "../../../domain/canonical-json.ts";
import type { EntryPut } from "../../../domain/ledger-event.ts";
import type { EntryContent, RegistrationEntry } from "../../../domain/registration-entry.ts";
import type { SpiffeId } from "../../../domain/spiffe-id.ts";
import type { UnixMicros } from "../../../domain/time.ts";
import type { SqlParameters } from "../connection.ts";

export const ENTRY = {
  put: `
    INSERT INTO registration_entry (
      entry_id, kind, name, spiffe_id, origin, disabled, revision, created_at_us, updated_at_us, content, put_sequence,
      open_steps)
    VALUES (
      @entryId, @kind, @name, @spiffeId, @origin, @disabled, @revision, @createdAt, @updatedAt, @content, @sequence, 0)
    ON CONFLICT (entry_id) DO UPDATE
       SET kind = excluded.kind, name = excluded.name, spiffe_id = excluded.spiffe_id, origin = excluded.origin,
           disabled = excluded.disabled, revision = excluded.revision, created_at_us = excluded.created_at_us,
           updated_at_us = excluded.updated_at_us, content = excluded.content, put_sequence = excluded.put_sequence`,
  retire: "UPDATE registration_entry SET retired_sequence = @sequence WHERE entry_id = @entryId",
  countOpened: "UPDATE registration_entry SET open_steps = open_steps + 1 WHERE entry_id = @entryId",
  countClosed: "UPDATE registration_entry SET open_steps = open_steps - 1 WHERE entry_id = @entryId",
  guard: `
    SELECT revision, disabled, open_steps AS openSteps, retired_sequence AS retiredSequence
      FROM registration_entry WHERE entry_id = @entryId`,
  named: `
    SELECT entry_id AS entryId FROM registration_entry
     WHERE kind = @kind AND name = @name AND retired_sequence IS NULL`,
  count: "SELECT count(*) AS count FROM registration_entry WHERE retired_sequence IS NULL",
  ofKind: `
    SELECT entry_id AS entryId, spiffe_id AS spiffeId, origin, disabled, revision, created_at_us AS createdAt,
           updated_at_us AS updatedAt, content
      FROM registration_entry INDEXED BY registration_entry_name
     WHERE kind = @kind AND retired_sequence IS NULL ORDER BY name`,
  /** What every version of the table has. */
  identities: `
    SELECT kind, spiffe_id AS spiffeId, created_at_us AS createdAt
      FROM registration_entry WHERE retired_sequence IS NULL ORDER BY kind, name`,
  current: `
    SELECT entry_id AS entryId, spiffe_id AS spiffeId, origin, disabled, revision, created_at_us AS createdAt,
           updated_at_us AS updatedAt, content
      FROM registration_entry WHERE retired_sequence IS NULL ORDER BY kind, name`,
} as const;

export type EntryGuardRow = {
  readonly revision: number;
  readonly disabled: number;
  readonly openSteps: number;
  readonly retiredSequence: number | null;
};

export type EntryRow = {
  readonly entryId: string;
  readonly spiffeId: SpiffeId;
  readonly origin: RegistrationEntry["origin"];
  readonly disabled: number;
  readonly revision: number;
  readonly createdAt: UnixMicros;
  readonly updatedAt: UnixMicros;
  readonly content: string;
};

export function entryOf({ disabled, content, ...row }: EntryRow): RegistrationEntry {
  return { ...row, disabled: disabled === 1, content: JSON.parse(content) as EntryContent };
}

export function parametersOfEntry({ entry }: EntryPut, sequence: number): SqlParameters {
  return {
    sequence,
    entryId: entry.entryId,
    kind: entry.content.kind,
    name: entry.content.name,
    spiffeId: entry.spiffeId,
    origin: entry.origin,
    disabled: entry.disabled ? 1 : 0,
    revision: entry.revision,
    createdAt: entry.createdAt,
    updatedAt: entry.updatedAt,
    content: canonicalText(entry.content),
  };
}
