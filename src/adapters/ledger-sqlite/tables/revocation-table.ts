import type { IssuanceRecorded } from "../../../domain/ledger-event.ts";
import type { RevocationReason } from "../../../domain/revocation.ts";
import type { SpiffeId } from "../../../domain/spiffe-id.ts";
import type { ClosedState } from "../../../domain/step.ts";
import type { UnixSeconds } from "../../../domain/time.ts";
import type { DenyEntry } from "../../../ports/ledger-reads.ts";
import { eventOf } from "./event-table.ts";

const COLUMNS = `
  v.sequence, v.reason, v.state, v.latest_expiry_s AS latestExpiry, v.concerns_all AS concernsAll,
  coalesce(r.entry_id, i.entry_id) AS runEntryId, s.step_id AS stepId, s.spiffe_id AS spiffeId, s.audiences,
  e.canonical AS issuance`;

const FROM = `
  FROM revocation AS v
  LEFT JOIN issuance AS i ON v.subject = 'issuance' AND i.sequence = v.subject_sequence
  LEFT JOIN event AS e ON e.sequence = i.sequence
  LEFT JOIN step AS s ON s.sequence = CASE v.subject WHEN 'step' THEN v.subject_sequence ELSE i.step_sequence END
  LEFT JOIN run AS r ON r.run_id = s.run_id`;

export const REVOCATION = {
  insert: `
    INSERT INTO revocation (sequence, subject_sequence, subject, reason, state, latest_expiry_s, concerns_all)
    VALUES (@sequence, @subjectSequence, @subject, @reason, @state, @latestExpiry, @concernsAll)`,
  between: `
    SELECT ${COLUMNS} ${FROM}
     WHERE v.sequence > @after AND v.sequence <= @through
     ORDER BY v.sequence, v.subject_sequence LIMIT @limit`,
  expiringAfter: `
    SELECT ${COLUMNS} ${FROM.replace("AS v", "AS v INDEXED BY revocation_latest_expiry")}
     WHERE v.latest_expiry_s > @expiry
     ORDER BY v.sequence, v.subject_sequence`,
} as const;

export type RevocationRow = {
  readonly sequence: number;
  readonly reason: RevocationReason;
  readonly state: ClosedState;
  readonly latestExpiry: UnixSeconds;
  readonly concernsAll: number;
  readonly runEntryId: string;
  readonly stepId: string | null;
  readonly spiffeId: SpiffeId | null;
  readonly audiences: string | null;
  /** The issuance's event; NULL where the subject is a step. */
  readonly issuance: Uint8Array | null;
};

export function denyEntryOf(row: RevocationRow): DenyEntry {
  const { sequence, reason, state, latestExpiry, runEntryId } = row;
  const denied = { sequence, reason, state, latestExpiry, runEntryId, concernsAll: row.concernsAll === 1 };
  if (row.issuance !== null) {
    const { issuance } = eventOf(row.issuance) as IssuanceRecorded;
    const { jti, serialNumber = "", authorityId, audiences } = issuance;
    const subject = jti === undefined ? { kind: "certificate", authorityId, serialNumber } : { kind: "jwt", jti };
    return { ...denied, audiences, subject: subject as DenyEntry["subject"] };
  }
  if (row.stepId === null || row.spiffeId === null || row.audiences === null) {
    throw new TypeError("a revocation without its step");
  }
  return {
    ...denied,
    audiences: JSON.parse(row.audiences) as readonly string[],
    subject: { kind: "step", stepId: row.stepId, spiffeId: row.spiffeId },
  };
}
