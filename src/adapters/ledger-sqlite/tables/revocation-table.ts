import type { NodeName } from "../../../domain/node-name.ts";
import type { RevocationReason } from "../../../domain/revocation.ts";
import type { SpiffeId } from "../../../domain/spiffe-id.ts";
import type { ClosedState } from "../../../domain/step.ts";
import type { UnixMicros, UnixSeconds } from "../../../domain/time.ts";
import type { DenyEntry } from "../../../ports/ledger-reads.ts";

const COLUMNS = `
  v.sequence, v.subject_sequence AS subjectSequence, v.reason, v.state, v.latest_expiry_s AS latestExpiry,
  v.concerns_all AS concernsAll, coalesce(r.entry_id, i.entry_id) AS runEntryId, r.machine AS runMachine, s.step_id AS stepId,
  s.spiffe_id AS spiffeId, coalesce(i.audiences, s.audiences) AS audiences, i.jti, i.serial_number AS serialNumber,
  i.authority_id AS authorityId,
  coalesce(i.revoked_at_us, s.closed_at_us) AS deniedAt`;

const FROM = `
  FROM revocation AS v
  LEFT JOIN issuance AS i ON v.subject = 'issuance' AND i.sequence = v.subject_sequence
  LEFT JOIN step AS s ON s.sequence = CASE v.subject WHEN 'step' THEN v.subject_sequence ELSE i.step_sequence END
  LEFT JOIN run AS r ON r.run_id = s.run_id`;

/** A part of the deny-list, by the index on expiry; the `@through…` parameters are the position of its last row. */
const RANGE = `
  (v.latest_expiry_s, v.sequence, v.subject_sequence) > (@latestExpiry, @sequence, @subjectSequence)
   AND (v.latest_expiry_s, v.sequence, v.subject_sequence) <= (@throughExpiry, @throughSequence, @throughSubject)`;

/** A part of the deny-list in ledger order; the `@through…` parameters are the position of its last row. */
const SEQUENCES = `
  (v.sequence, v.subject_sequence) > (@sequence, @subjectSequence)
   AND (v.sequence, v.subject_sequence) <= (@throughSequence, @throughSubject)`;

/** Places in status lists of the tokens that a part of the deny-list takes back: those of whole steps, and single ones. */
const revokedStatuses = (part: string, index: string) => `
    SELECT i.status_list AS list, i.status_index AS "index"
      FROM revocation AS v ${index}
      CROSS JOIN step_event AS h ON h.step_sequence = v.subject_sequence
      CROSS JOIN issuance AS i ON i.sequence = h.sequence
     WHERE ${part} AND v.subject = 'step' AND i.status_list IS NOT NULL
     UNION ALL
    SELECT i.status_list, i.status_index
      FROM revocation AS v ${index}
      CROSS JOIN issuance AS i ON i.sequence = v.subject_sequence
     WHERE ${part} AND v.subject = 'issuance' AND i.status_list IS NOT NULL`;

const X509_SVID = "i.kind = 'x509-svid' AND i.expires_at_s > @expiringAfter";

export const REVOCATION = {
  insert: `
    INSERT INTO revocation (sequence, subject_sequence, subject, reason, state, latest_expiry_s, concerns_all)
    VALUES (@sequence, @subjectSequence, @subject, @reason, @state, @latestExpiry, @concernsAll)`,
  /** A part of the deny-list in ledger order, beginning after one row. */
  between: `
    SELECT ${COLUMNS} ${FROM}
     WHERE (v.sequence, v.subject_sequence) > (@sequence, @subjectSequence) AND v.sequence <= @through
     ORDER BY v.sequence, v.subject_sequence LIMIT @limit`,
  /** A part of the deny-list in the order of expiry, beginning after one row. */
  expiringAfter: `
    SELECT ${COLUMNS} ${FROM.replace("AS v", "AS v INDEXED BY revocation_latest_expiry")}
     WHERE (v.latest_expiry_s, v.sequence, v.subject_sequence) > (@latestExpiry, @sequence, @subjectSequence)
     ORDER BY v.latest_expiry_s, v.sequence, v.subject_sequence LIMIT @limit`,
  positionsAfter: `
    SELECT v.latest_expiry_s AS latestExpiry, v.sequence, v.subject_sequence AS subjectSequence
      FROM revocation AS v INDEXED BY revocation_latest_expiry
     WHERE (v.latest_expiry_s, v.sequence, v.subject_sequence) > (@latestExpiry, @sequence, @subjectSequence)
     ORDER BY v.latest_expiry_s, v.sequence, v.subject_sequence LIMIT @limit`,
  positionsBetween: `
    SELECT v.latest_expiry_s AS latestExpiry, v.sequence, v.subject_sequence AS subjectSequence
      FROM revocation AS v
     WHERE (v.sequence, v.subject_sequence) > (@sequence, @subjectSequence) AND v.sequence <= @through
     ORDER BY v.sequence, v.subject_sequence LIMIT @limit`,
  revokedStatuses: revokedStatuses(RANGE, "INDEXED BY revocation_latest_expiry"),
  revokedStatusesBetween: revokedStatuses(SEQUENCES, ""),
  /** An SVID taken back by itself, whose step has ended since, is in both halves, with its own reason in both. */
  revokedX509Svids: `
    SELECT i.authority_id AS authorityId, i.serial_number AS serialNumber, i.expires_at_s AS expiresAt,
           coalesce(i.revoked_at_us, s.closed_at_us) AS revokedAt,
           coalesce(i.revocation_reason, s.close_reason) AS reason
      FROM revocation AS v INDEXED BY revocation_latest_expiry
      CROSS JOIN step AS s ON s.sequence = v.subject_sequence
      CROSS JOIN step_event AS h ON h.step_sequence = s.sequence
      CROSS JOIN issuance AS i ON i.sequence = h.sequence
     WHERE ${RANGE} AND v.subject = 'step' AND v.concerns_all = 1
       AND ${X509_SVID} AND s.closed_at_us < i.expires_at_s * 1000000
     UNION ALL
    SELECT i.authority_id, i.serial_number, i.expires_at_s, i.revoked_at_us, i.revocation_reason
      FROM revocation AS v INDEXED BY revocation_latest_expiry
      CROSS JOIN issuance AS i ON i.sequence = v.subject_sequence
     WHERE ${RANGE} AND v.subject = 'issuance' AND ${X509_SVID}`,
} as const;

/** Where a part of the deny-list ended, when the list is read in the order of expiry. */
export type ExpiryPosition = {
  readonly latestExpiry: UnixSeconds;
  readonly sequence: number;
  readonly subjectSequence: number;
};

export type RevocationRow = {
  readonly sequence: number;
  readonly subjectSequence: number;
  readonly reason: RevocationReason;
  readonly state: ClosedState;
  readonly latestExpiry: UnixSeconds;
  readonly concernsAll: number;
  readonly runEntryId: string;
  readonly runMachine: NodeName | null;
  readonly stepId: string | null;
  readonly spiffeId: SpiffeId | null;
  readonly audiences: string;
  /** Of the one credential that was taken back: NULL where the subject is a step. */
  readonly jti: string | null;
  readonly serialNumber: string | null;
  readonly authorityId: string | null;
  readonly deniedAt: UnixMicros;
};

export function denyEntryOf(row: RevocationRow): DenyEntry {
  const { sequence, reason, state, latestExpiry, runEntryId, runMachine, deniedAt } = row;
  return {
    ...{ sequence, reason, state, latestExpiry, runEntryId, deniedAt },
    ...(runMachine === null ? {} : { runMachine }),
    concernsAll: row.concernsAll === 1,
    audiences: JSON.parse(row.audiences) as readonly string[],
    subject: subjectOf(row),
  };
}

function subjectOf({ jti, serialNumber, authorityId, stepId, spiffeId }: RevocationRow): DenyEntry["subject"] {
  if (jti !== null) return { kind: "jwt", jti };
  if (serialNumber !== null && authorityId !== null) return { kind: "certificate", authorityId, serialNumber };
  if (stepId === null || spiffeId === null) throw new TypeError("a revocation without its step");
  return { kind: "step", stepId, spiffeId };
}
