import type { UnixMicros } from "../../../domain/time.ts";
import type { PrincipalRow } from "../../../ports/ledger-reads.ts";

const COLUMNS = `
  p.sequence, p.principal_id AS principalId, p.sealed, p.last_opened_at_us AS lastOpenedAt, p.barred_at_us AS offboardedAt,
  p.erased_at_us AS erasedAt,
  (SELECT count(*) FROM step AS s WHERE s.principal_id = p.principal_id AND s.closed_sequence IS NULL) AS openSteps`;

export const PRINCIPAL = {
  seen: `
    INSERT INTO principal (sequence, principal_id, sealed, last_opened_at_us) VALUES (@sequence, @principalId, @sealed, @at)
    ON CONFLICT (principal_id) DO UPDATE SET sealed = excluded.sealed, last_opened_at_us = excluded.last_opened_at_us`,
  bar: `
    INSERT INTO principal (sequence, principal_id, barred_at_us) VALUES (@sequence, @principalId, @at)
    ON CONFLICT (principal_id) DO UPDATE SET barred_at_us = excluded.barred_at_us`,
  readmit: "UPDATE principal SET barred_at_us = NULL WHERE principal_id = @principalId",
  erase: "UPDATE principal SET sealed = NULL, erased_at_us = @at WHERE principal_id = @principalId",

  guard: `
    SELECT sealed IS NOT NULL AS isKept, barred_at_us IS NOT NULL AS isBarred, erased_at_us AS erasedAt
      FROM principal WHERE principal_id = @principalId`,
  byId: `SELECT ${COLUMNS} FROM principal AS p WHERE p.principal_id = @principalId`,
  erased: `
    SELECT ${COLUMNS} FROM principal AS p INDEXED BY principal_erased
     WHERE p.erased_at_us IS NOT NULL ORDER BY p.erased_at_us`,
  /** For the operator's view; conditions are appended. */
  history: `SELECT ${COLUMNS} FROM principal AS p`,
} as const;

export type PrincipalGuardRow = {
  readonly isKept: number;
  readonly isBarred: number;
  readonly erasedAt: UnixMicros | null;
};

export type StoredPrincipal = {
  readonly sequence: number;
  readonly principalId: string;
  readonly sealed: string | null;
  readonly lastOpenedAt: UnixMicros | null;
  readonly offboardedAt: UnixMicros | null;
  readonly erasedAt: UnixMicros | null;
  readonly openSteps: number;
};

export function principalOf(row: StoredPrincipal): PrincipalRow {
  const { sequence, principalId, openSteps, sealed, lastOpenedAt, offboardedAt, erasedAt } = row;
  return {
    sequence,
    principalId,
    openSteps,
    ...(sealed === null ? {} : { sealed }),
    ...(lastOpenedAt === null ? {} : { lastOpenedAt }),
    ...(offboardedAt === null ? {} : { offboardedAt }),
    ...(erasedAt === null ? {} : { erasedAt }),
  };
}
