import type { LegalHold } from "../../../domain/legal-hold.ts";
import type { UnixMicros, UnixSeconds } from "../../../domain/time.ts";

export type SnapshotRow = {
  readonly sequence: number;
  readonly through: number;
  readonly chunks: number;
  readonly bytes: number;
  readonly rootHash: string;
  readonly schema: number;
};

export const SNAPSHOT = {
  newest: `
    SELECT sequence, through_sequence AS through, chunks, bytes, root_hash AS rootHash, schema_number AS schema
      FROM snapshot ORDER BY sequence DESC LIMIT 1`,
  through: "SELECT coalesce(max(through_sequence), 0) AS through FROM snapshot",
  forget: "DELETE FROM snapshot",
  insert: `
    INSERT INTO snapshot (sequence, through_sequence, chunks, bytes, root_hash, schema_number)
    VALUES (@sequence, @through, @chunks, @bytes, @rootHash, @schema)`,
  /** The chunks in order, some at a time. */
  chunks: `
    SELECT chunk_index AS "index", content FROM snapshot_chunk
     WHERE through_sequence = @through AND chunk_index >= @from ORDER BY chunk_index LIMIT 64`,
  putChunk: `
    INSERT INTO snapshot_chunk (through_sequence, chunk_index, content) VALUES (@through, @index, @content)
    ON CONFLICT DO UPDATE SET content = excluded.content`,
  /** Of every snapshot but those that end there: some at a time. */
  forgetChunks: `
    DELETE FROM snapshot_chunk WHERE (through_sequence, chunk_index) IN (
      SELECT through_sequence, chunk_index FROM snapshot_chunk
       WHERE through_sequence <> @recorded AND through_sequence <> @made LIMIT 16)`,
} as const;

export type SnapshotChunkRow = { readonly index: number; readonly content: Uint8Array };

export type PrunedRangeRow = { readonly first: number; readonly last: number };

export const PRUNED_RANGE = {
  /** The last range that begins there or before. */
  before: `
    SELECT first_sequence AS first, last_sequence AS last FROM pruned_range
     WHERE first_sequence <= @sequence ORDER BY first_sequence DESC LIMIT 1`,
  delete: "DELETE FROM pruned_range WHERE first_sequence = @first",
  insert: "INSERT INTO pruned_range (first_sequence, last_sequence) VALUES (@first, @last)",
  total: "SELECT coalesce(sum(last_sequence - first_sequence + 1), 0) AS count FROM pruned_range",
} as const;

export type LegalHoldRow = LegalHold & {
  readonly reason: string;
  readonly actor: string;
  readonly placedAt: UnixMicros;
};

export const LEGAL_HOLD = {
  all: `
    SELECT hold_id AS holdId, scope, value, reason, actor, placed_at_us AS placedAt FROM legal_hold ORDER BY sequence`,
  insert: `
    INSERT INTO legal_hold (hold_id, scope, value, reason, actor, placed_at_us, sequence)
    VALUES (@holdId, @scope, @value, @reason, @actor, @at, @sequence)`,
  delete: "DELETE FROM legal_hold WHERE hold_id = @holdId",
} as const;

/** What is over, and since when. */
export type ConcernedRow = {
  readonly runId: string | null;
  readonly agent: string | null;
  readonly principalId: string | null;
  readonly closedAt: UnixMicros | null;
  /** Of a credential or a secret; `null` for the step itself. */
  readonly expiresAt: UnixSeconds | null;
  /** Whether it is a step's. */
  readonly isOfStep: 0 | 1;
};

const OF_STEP = `
  s.run_id AS runId, s.agent, s.principal_id AS principalId, s.closed_at_us AS closedAt, s.sequence IS NOT NULL AS isOfStep`;

export const CONCERNED = {
  step: `SELECT ${OF_STEP}, NULL AS expiresAt FROM step AS s WHERE s.step_id = @id`,
  issuance: `
    SELECT ${OF_STEP}, i.expires_at_s AS expiresAt
      FROM issuance AS i LEFT JOIN step AS s ON s.sequence = i.step_sequence WHERE i.issuance_id = @id`,
  exchange: `
    SELECT ${OF_STEP}, x.expires_at_s AS expiresAt
      FROM exchange AS x JOIN step AS s ON s.sequence = x.step_sequence WHERE x.exchange_id = @id`,
  approval: `
    SELECT ${OF_STEP}, NULL AS expiresAt
      FROM call_approval AS a JOIN step AS s ON s.sequence = a.step_sequence WHERE a.approval_id = @id`,
} as const;
