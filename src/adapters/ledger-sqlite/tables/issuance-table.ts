import type { IssuanceRecord } from "../../../domain/issuance.ts";
import type { IssuanceRecorded } from "../../../domain/ledger-event.ts";
import type { RevocationReason } from "../../../domain/revocation.ts";
import type { Segment } from "../../../domain/spiffe-id.ts";
import type { StepState } from "../../../domain/step.ts";
import type { UnixMicros, UnixSeconds } from "../../../domain/time.ts";
import type { IssuanceRow } from "../../../ports/ledger.ts";
import type { SqlParameters } from "../connection.ts";
import { eventOf, MINUTE } from "./event-table.ts";

/** Whether its step's close took it back: it had not expired by then. */
const ENDED_WITH_STEP = "s.closed_at_us < i.expires_at_s * 1000000";

const COLUMNS = `
  i.sequence, i.undelivered_sequence AS undeliveredSequence,
  coalesce(i.revoked_sequence, CASE WHEN ${ENDED_WITH_STEP} THEN s.closed_sequence END) AS revokedSequence,
  coalesce(i.revoked_at_us, CASE WHEN ${ENDED_WITH_STEP} THEN s.closed_at_us END) AS revokedAt,
  coalesce(i.revocation_reason, CASE WHEN ${ENDED_WITH_STEP} THEN s.close_reason END) AS revocationReason,
  s.run_id AS runId, s.step, s.attempt, s.agent, s.state, e.canonical`;

/** The event comes last: it is the one large row, and not to be read for what the other two rule out. */
const FROM = `
  FROM issuance AS i
  LEFT JOIN step AS s ON s.sequence = i.step_sequence
  CROSS JOIN event AS e ON e.sequence = i.sequence`;

export const ISSUANCE = {
  insert: `
    INSERT INTO issuance (
      sequence, issuance_id, kind, step_sequence, entry_id, authority_id, serial_number, jti, expires_at_s,
      to_be_signed_sha256)
    VALUES (
      @sequence, @issuanceId, @kind, @stepSequence, @entryId, @authorityId, @serialNumber, @jti, @expiresAt,
      @toBeSignedSha256)`,
  markUndelivered: "UPDATE issuance SET undelivered_sequence = @sequence WHERE issuance_id = @issuanceId",
  revoke: `
    UPDATE issuance SET revoked_sequence = @sequence, revoked_at_us = @at, revocation_reason = @reason
     WHERE issuance_id = @issuanceId`,
  guardById: `
    SELECT sequence, kind, step_sequence AS stepSequence, expires_at_s AS expiresAt,
           undelivered_sequence AS undeliveredSequence
      FROM issuance WHERE issuance_id = @issuanceId`,
  /** All that a step ever held: NULLs when it never held any. Live is what its close at `at` takes back. */
  heldByStep: `
    SELECT max(i.expires_at_s) AS latestExpiry, max(i.kind <> 'jwt-svid') AS concernsAll,
           total(i.expires_at_s * 1000000 > @at AND i.undelivered_sequence IS NULL AND i.revoked_sequence IS NULL) AS live
      FROM step_event AS h JOIN issuance AS i ON i.sequence = h.sequence
     WHERE h.step_sequence = @stepSequence`,
  liveOfStep: `
    SELECT ${COLUMNS} ${FROM}
     WHERE i.sequence IN (SELECT sequence FROM step_event WHERE step_sequence = @stepSequence)
       AND i.expires_at_s * 1000000 > @at AND i.undelivered_sequence IS NULL AND i.revoked_sequence IS NULL
     ORDER BY i.sequence LIMIT @limit`,
  /** Of one authority, from the minute on in which the oldest that can still be accepted was recorded. */
  acceptableOfAuthority: `
    SELECT i.sequence, i.issuance_id AS issuanceId, i.kind, i.step_sequence AS stepSequence, i.expires_at_s AS expiresAt
      FROM issuance AS i LEFT JOIN step AS s ON s.sequence = i.step_sequence
     WHERE i.sequence >= ${MINUTE.firstSince}
       AND i.authority_id = @authorityId AND i.expires_at_s > @refusedThrough
       AND i.undelivered_sequence IS NULL AND i.revoked_sequence IS NULL AND s.closed_sequence IS NULL
     ORDER BY i.sequence`,
  /** What an entry was issued for itself, and could still be presented. */
  liveOfEntry: `
    SELECT issuance_id AS issuanceId FROM issuance
     WHERE entry_id = @entryId AND expires_at_s > @at / 1000000
       AND undelivered_sequence IS NULL AND revoked_sequence IS NULL
     ORDER BY sequence`,
  byJti: `SELECT ${COLUMNS} ${FROM} WHERE i.jti = @jti`,
  bySerialNumber: `SELECT ${COLUMNS} ${FROM} WHERE i.serial_number = @serialNumber`,
  bySequence: `SELECT ${COLUMNS} ${FROM} WHERE i.sequence = @sequence`,
  /** For the operator's view; conditions are appended. */
  history: `SELECT ${COLUMNS} ${FROM}`,
} as const;

/** Conditions by which the operator's view judges an issuance at the instant `@now`; each excludes the others. */
export const ISSUANCE_STATE = {
  undelivered: "i.undelivered_sequence IS NOT NULL",
  revoked: `i.undelivered_sequence IS NULL AND (i.revoked_sequence IS NOT NULL OR coalesce(${ENDED_WITH_STEP}, 0))`,
  expired: `i.undelivered_sequence IS NULL AND i.revoked_sequence IS NULL AND NOT coalesce(${ENDED_WITH_STEP}, 0)
            AND i.expires_at_s * 1000000 <= @now`,
  live: `i.undelivered_sequence IS NULL AND i.revoked_sequence IS NULL AND NOT coalesce(${ENDED_WITH_STEP}, 0)
         AND i.expires_at_s * 1000000 > @now`,
} as const;

export type IssuanceGuard = {
  readonly sequence: number;
  readonly kind: IssuanceRecord["kind"];
  readonly stepSequence: number | null;
  readonly expiresAt: UnixSeconds;
  readonly undeliveredSequence: number | null;
};

export type AcceptableIssuance = Omit<IssuanceGuard, "undeliveredSequence"> & { readonly issuanceId: string };

export type HeldByStep = {
  readonly latestExpiry: UnixSeconds | null;
  readonly concernsAll: number | null;
  readonly live: number;
};

export type StoredIssuance = {
  readonly sequence: number;
  readonly undeliveredSequence: number | null;
  readonly revokedSequence: number | null;
  readonly revokedAt: UnixMicros | null;
  readonly revocationReason: RevocationReason | null;
  readonly runId: Segment | null;
  readonly step: Segment | null;
  readonly attempt: number | null;
  readonly agent: Segment | null;
  readonly state: StepState | null;
  readonly canonical: Uint8Array;
};

export function issuanceOf(row: StoredIssuance): IssuanceRow {
  const { issuance } = eventOf(row.canonical) as IssuanceRecorded;
  const { runId, step, attempt, agent, state } = row;
  const hasStep = runId !== null && step !== null && attempt !== null && agent !== null && state !== null;
  return {
    ...issuance,
    sequence: row.sequence,
    undelivered: row.undeliveredSequence !== null,
    ...(row.revokedAt === null ? {} : { revokedAt: row.revokedAt }),
    ...(row.revocationReason === null ? {} : { revocationReason: row.revocationReason }),
    ...(row.revokedSequence === null ? {} : { revokedSequence: row.revokedSequence }),
    ...(hasStep ? { step: { runId, step, attempt, agent, state } } : {}),
  };
}

export function parametersOfIssuance(
  issuance: IssuanceRecord,
  sequence: number,
  stepSequence: number | null,
): SqlParameters {
  return {
    sequence,
    issuanceId: issuance.issuanceId,
    kind: issuance.kind,
    stepSequence,
    entryId: issuance.subject.kind === "infrastructure" ? issuance.subject.entryId : null,
    authorityId: issuance.authorityId,
    serialNumber: issuance.serialNumber ?? null,
    jti: issuance.jti ?? null,
    expiresAt: issuance.expiresAt,
    toBeSignedSha256: Buffer.from(issuance.toBeSignedSha256, "hex"),
  };
}
