import { canonicalText } from "../../../domain/canonical-json.ts";
import type { Confirmation } from "../../../domain/confirmation.ts";
import type { Delegation } from "../../../domain/delegation.ts";
import type { Grant } from "../../../domain/grant.ts";
import type { IssuanceRecord } from "../../../domain/issuance.ts";
import type { IssuanceRecorded } from "../../../domain/ledger-event.ts";
import type { RevocationReason } from "../../../domain/revocation.ts";
import type { Segment, SpiffeId } from "../../../domain/spiffe-id.ts";
import type { StepState } from "../../../domain/step.ts";
import type { UnixMicros, UnixSeconds } from "../../../domain/time.ts";
import type { ExportedIssuance } from "../../../ports/export-reads.ts";
import type { IssuanceRow } from "../../../ports/ledger-reads.ts";
import type { SqlParameters } from "../connection.ts";
import { MINUTE } from "./event-table.ts";

/** Whether the close of the step took the issuance back: the issuance had not expired by then. */
const ENDED_WITH_STEP = "s.closed_at_us < i.expires_at_s * 1000000";

const REVOKED_SEQUENCE = `coalesce(i.revoked_sequence, CASE WHEN ${ENDED_WITH_STEP} THEN s.closed_sequence END)`;

const REVOCATION_REASON = `coalesce(i.revocation_reason, CASE WHEN ${ENDED_WITH_STEP} THEN s.close_reason END)`;

/** What is asked of an issuance with what became of it: all of it, or as far as it had come at a sequence. */
const columns = (became: {
  readonly undelivered: string;
  readonly revokedSequence: string;
  readonly revokedAt: string;
  readonly reason: string;
  readonly state: string;
}) => `
  i.sequence, i.issuance_id AS issuanceId, i.kind, i.entry_id AS entryId, i.spiffe_id AS spiffeId,
  i.authority_id AS authorityId, i.serial_number AS serialNumber, i.jti, i.audiences, i.granted,
  i.not_before_s AS notBefore, i.expires_at_s AS expiresAt, i.to_be_signed_sha256 AS toBeSignedSha256,
  i.public_key_sha256 AS publicKeySha256, i.confirmation, i.issued_at_us AS issuedAt,
  i.status_list AS statusList, i.status_index AS statusIndex,
  ${became.undelivered} AS undeliveredSequence, ${became.revokedSequence} AS revokedSequence,
  ${became.revokedAt} AS revokedAt, ${became.reason} AS revocationReason,
  s.step_id AS stepId, s.run_id AS runId, s.step, s.attempt, s.agent, ${became.state} AS state,
  d.runtime_entry_id AS runtimeEntryId, d.may_act AS mayAct, d.uses_max AS usesMax, d.uses`;

const COLUMNS = columns({
  undelivered: "i.undelivered_sequence",
  revokedSequence: REVOKED_SEQUENCE,
  revokedAt: `coalesce(i.revoked_at_us, CASE WHEN ${ENDED_WITH_STEP} THEN s.closed_at_us END)`,
  reason: REVOCATION_REASON,
  state: "s.state",
});

/** By itself, or else with its step, as far as that was recorded through `@through`. */
const revokedThrough = (own: string, ofStep: string) => `
  CASE WHEN i.revoked_sequence <= @through THEN ${own}
       WHEN s.closed_sequence <= @through AND ${ENDED_WITH_STEP} THEN ${ofStep} END`;

const REVOKED_SEQUENCE_THROUGH = revokedThrough("i.revoked_sequence", "s.closed_sequence");
const REVOCATION_REASON_THROUGH = revokedThrough("i.revocation_reason", "s.close_reason");

const COLUMNS_THROUGH = columns({
  undelivered: "CASE WHEN i.undelivered_sequence <= @through THEN i.undelivered_sequence END",
  revokedSequence: REVOKED_SEQUENCE_THROUGH,
  revokedAt: revokedThrough("i.revoked_at_us", "s.closed_at_us"),
  reason: REVOCATION_REASON_THROUGH,
  // A step has credentials only once it is open.
  state: "CASE WHEN s.closed_sequence IS NULL OR s.closed_sequence <= @through THEN s.state ELSE 'OPEN' END",
});

const DELEGATION = "LEFT JOIN delegation_token AS d ON d.sequence = i.sequence";

const FROM = `FROM issuance AS i LEFT JOIN step AS s ON s.sequence = i.step_sequence ${DELEGATION}`;

const NAME_COLUMNS = `
  i.sequence, i.issuance_id AS issuanceId, i.undelivered_sequence AS undeliveredSequence,
  ${REVOKED_SEQUENCE} AS revokedSequence`;

export const ISSUANCE = {
  insert: `
    INSERT INTO issuance (
      sequence, issuance_id, kind, step_sequence, entry_id, spiffe_id, authority_id, serial_number, jti, audiences,
      granted, not_before_s, expires_at_s, to_be_signed_sha256, public_key_sha256, confirmation, issued_at_us,
      recorded_at_us, status_list, status_index)
    VALUES (
      @sequence, @issuanceId, @kind, @stepSequence, @entryId, @spiffeId, @authorityId, @serialNumber, @jti, @audiences,
      @granted, @notBefore, @expiresAt, @toBeSignedSha256, @publicKeySha256, @confirmation, @issuedAt, @recordedAt,
      @statusList, @statusIndex)`,
  markUndelivered: "UPDATE issuance SET undelivered_sequence = @sequence WHERE issuance_id = @issuanceId",
  revoke: `
    UPDATE issuance SET revoked_sequence = @sequence, revoked_at_us = @at, revocation_reason = @reason
     WHERE issuance_id = @issuanceId`,
  subjectById: `
    SELECT sequence, kind, step_sequence AS stepSequence, expires_at_s AS expiresAt
      FROM issuance WHERE issuance_id = @issuanceId`,
  guardById: `SELECT ${NAME_COLUMNS} ${FROM} WHERE i.issuance_id = @issuanceId`,
  guardByJti: `SELECT ${NAME_COLUMNS} ${FROM} WHERE i.jti = @jti`,
  guardBySerialNumber: `SELECT ${NAME_COLUMNS} ${FROM} WHERE i.serial_number = @serialNumber`,
  /** All that a step ever held: NULLs when it never held any. `live` counts what its close at `@at` takes back. */
  heldByStep: `
    SELECT max(i.expires_at_s) AS latestExpiry, max(i.kind NOT IN ('jwt-svid', 'txn-token')) AS concernsAll,
           total(i.expires_at_s * 1000000 > @at AND i.undelivered_sequence IS NULL AND i.revoked_sequence IS NULL) AS live
      FROM step_event AS h JOIN issuance AS i ON i.sequence = h.sequence
     WHERE h.step_sequence = @stepSequence`,
  liveOfStep: `
    SELECT ${COLUMNS} ${FROM}
     WHERE i.sequence IN (SELECT h.sequence FROM step_event AS h
                            JOIN step AS t ON t.sequence = h.step_sequence WHERE t.step_id = @stepId)
       AND i.expires_at_s * 1000000 > @at AND i.undelivered_sequence IS NULL AND i.revoked_sequence IS NULL
     ORDER BY i.sequence LIMIT @limit`,
  /** The credentials that the closes with these sequences took back. */
  revokedBetween: `
    SELECT ${COLUMNS}
      FROM step AS s CROSS JOIN step_event AS h ON h.step_sequence = s.sequence
      CROSS JOIN issuance AS i ON i.sequence = h.sequence ${DELEGATION}
     WHERE s.closed_sequence >= @first AND s.closed_sequence <= @last AND ${ENDED_WITH_STEP}
       AND i.undelivered_sequence IS NULL AND i.revoked_sequence IS NULL
     ORDER BY s.sequence, i.sequence LIMIT @limit`,
  /** Of one authority, from the minute on in which the oldest issuance that can still be accepted was recorded. */
  acceptableOfAuthority: `
    SELECT i.sequence, i.issuance_id AS issuanceId, i.kind, i.step_sequence AS stepSequence, i.expires_at_s AS expiresAt
      FROM issuance AS i LEFT JOIN step AS s ON s.sequence = i.step_sequence
     WHERE i.sequence >= ${MINUTE.firstSince}
       AND i.authority_id = @authorityId AND i.expires_at_s > @refusedThrough
       AND i.undelivered_sequence IS NULL AND i.revoked_sequence IS NULL AND s.closed_sequence IS NULL
     ORDER BY i.sequence`,
  /** Credentials that an entry was issued for itself and that could still be presented. */
  liveOfEntry: `
    SELECT issuance_id AS issuanceId FROM issuance
     WHERE entry_id = @entryId AND expires_at_s > @at / 1000000
       AND undelivered_sequence IS NULL AND revoked_sequence IS NULL
     ORDER BY sequence`,
  byJti: `SELECT ${COLUMNS} ${FROM} WHERE i.jti = @jti`,
  bySerialNumber: `SELECT ${COLUMNS} ${FROM} WHERE i.serial_number = @serialNumber`,
  /** For the operator's view; conditions are appended. */
  history: `SELECT ${COLUMNS} ${FROM}`,
  /** As it was at the sequence `@through`; conditions are appended. */
  exported: `SELECT ${COLUMNS_THROUGH}, s.decision_id AS decisionId, s.principal_id AS principalId ${FROM}`,
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

/** The same in one word, and why it was taken back. */
export const ISSUANCE_OUTCOME = {
  name: outcomeOf("i.undelivered_sequence IS NOT NULL", REVOKED_SEQUENCE),
  reason: REVOCATION_REASON,
} as const;

/** The same as it was at the sequence `@through`. */
export const ISSUANCE_OUTCOME_THROUGH = {
  name: outcomeOf("coalesce(i.undelivered_sequence <= @through, 0)", REVOKED_SEQUENCE_THROUGH),
  reason: REVOCATION_REASON_THROUGH,
} as const;

function outcomeOf(isUndelivered: string, revokedSequence: string): string {
  return `
    CASE WHEN ${isUndelivered} THEN 'undelivered' WHEN ${revokedSequence} IS NOT NULL THEN 'revoked'
         WHEN i.expires_at_s * 1000000 <= @now THEN 'expired' ELSE 'live' END`;
}

/** What projections look at. */
export type IssuanceSubject = {
  readonly sequence: number;
  readonly kind: IssuanceRecord["kind"];
  readonly stepSequence: number | null;
  readonly expiresAt: UnixSeconds;
};

export type AcceptableIssuance = IssuanceSubject & { readonly issuanceId: string };

export type IssuanceGuardRow = {
  readonly sequence: number;
  readonly issuanceId: string;
  readonly undeliveredSequence: number | null;
  readonly revokedSequence: number | null;
};

export type HeldByStep = {
  readonly latestExpiry: UnixSeconds | null;
  readonly concernsAll: number | null;
  readonly live: number;
};

export type StoredIssuance = {
  readonly sequence: number;
  readonly issuanceId: string;
  readonly kind: IssuanceRecord["kind"];
  readonly entryId: string | null;
  readonly spiffeId: SpiffeId;
  readonly authorityId: string;
  readonly serialNumber: string | null;
  readonly jti: string | null;
  readonly audiences: string;
  readonly granted: string;
  readonly notBefore: UnixSeconds;
  readonly expiresAt: UnixSeconds;
  readonly toBeSignedSha256: Uint8Array;
  readonly publicKeySha256: string | null;
  readonly confirmation: string | null;
  readonly issuedAt: UnixMicros;
  readonly statusList: string | null;
  readonly statusIndex: number | null;
  readonly undeliveredSequence: number | null;
  readonly revokedSequence: number | null;
  readonly revokedAt: UnixMicros | null;
  readonly revocationReason: RevocationReason | null;
  readonly stepId: string | null;
  readonly runId: Segment | null;
  readonly step: Segment | null;
  readonly attempt: number | null;
  readonly agent: Segment | null;
  readonly state: StepState | null;
  readonly runtimeEntryId: string | null;
  readonly mayAct: SpiffeId | null;
  readonly usesMax: number | null;
  readonly uses: number | null;
};

export type StoredExportedIssuance = StoredIssuance & {
  readonly decisionId: string | null;
  readonly principalId: string | null;
};

export function exportedIssuanceOf(row: StoredExportedIssuance): ExportedIssuance {
  const { decisionId, principalId } = row;
  return {
    ...issuanceOf(row),
    ...(decisionId === null ? {} : { decisionId }),
    ...(principalId === null ? {} : { principalId }),
  };
}

export function issuanceOf(row: StoredIssuance): IssuanceRow {
  const { stepId, entryId, runId, step, attempt, agent, state } = row;
  const hasStep = runId !== null && step !== null && attempt !== null && agent !== null && state !== null;
  return {
    issuanceId: row.issuanceId,
    kind: row.kind,
    subject: stepId === null ? { kind: "infrastructure", entryId: entryId ?? "" } : { kind: "step", stepId },
    spiffeId: row.spiffeId,
    authorityId: row.authorityId,
    ...(row.serialNumber === null ? {} : { serialNumber: row.serialNumber }),
    ...(row.jti === null ? {} : { jti: row.jti }),
    audiences: JSON.parse(row.audiences) as readonly string[],
    grant: JSON.parse(row.granted) as Grant,
    notBefore: row.notBefore,
    expiresAt: row.expiresAt,
    toBeSignedSha256: Buffer.from(row.toBeSignedSha256).toString("hex"),
    ...(row.publicKeySha256 === null ? {} : { publicKeySha256: row.publicKeySha256 }),
    ...(row.confirmation === null ? {} : { confirmation: JSON.parse(row.confirmation) as Confirmation }),
    ...(row.statusList === null || row.statusIndex === null
      ? {}
      : { status: { list: row.statusList, index: row.statusIndex } }),
    issuedAt: row.issuedAt,
    sequence: row.sequence,
    undelivered: row.undeliveredSequence !== null,
    ...(row.revokedAt === null ? {} : { revokedAt: row.revokedAt }),
    ...(row.revocationReason === null ? {} : { revocationReason: row.revocationReason }),
    ...(row.revokedSequence === null ? {} : { revokedSequence: row.revokedSequence }),
    ...(hasStep ? { step: { runId, step, attempt, agent, state } } : {}),
    ...delegationOf(row),
  };
}

function delegationOf({
  runtimeEntryId,
  mayAct,
  usesMax,
  uses,
}: StoredIssuance): Pick<IssuanceRow, "delegation" | "uses"> {
  if (runtimeEntryId === null || mayAct === null || usesMax === null || uses === null) return {};
  return { delegation: { runtimeEntryId, mayAct, usesMax } satisfies Delegation, uses };
}

export function parametersOfIssuance(
  { issuance, at }: IssuanceRecorded,
  sequence: number,
  stepSequence: number | null,
): SqlParameters {
  const { confirmation } = issuance;
  return {
    sequence,
    issuanceId: issuance.issuanceId,
    kind: issuance.kind,
    stepSequence,
    entryId: issuance.subject.kind === "infrastructure" ? issuance.subject.entryId : null,
    spiffeId: issuance.spiffeId,
    authorityId: issuance.authorityId,
    serialNumber: issuance.serialNumber ?? null,
    jti: issuance.jti ?? null,
    audiences: canonicalText(issuance.audiences),
    granted: canonicalText(issuance.grant),
    notBefore: issuance.notBefore,
    expiresAt: issuance.expiresAt,
    toBeSignedSha256: Buffer.from(issuance.toBeSignedSha256, "hex"),
    publicKeySha256: issuance.publicKeySha256 ?? null,
    confirmation: confirmation === undefined ? null : canonicalText(confirmation),
    issuedAt: issuance.issuedAt,
    recordedAt: at,
    statusList: issuance.status?.list ?? null,
    statusIndex: issuance.status?.index ?? null,
  };
}
