import type { LedgerEvent } from "../../../domain/ledger-event.ts";
import type { UnixMicros } from "../../../domain/time.ts";
import type { EventRow } from "../../../ports/ledger-reads.ts";
import type { Connection } from "../connection.ts";

export type StoredEvent = {
  readonly sequence: number;
  readonly type: LedgerEvent["type"];
  readonly recordedAt: EventRow["recordedAt"];
  readonly leafHash: Uint8Array;
  readonly canonical: Uint8Array;
};

export type KeptRow = Omit<StoredEvent, "canonical">;

export type HeadRow = {
  readonly epoch: string;
  readonly treeSize: number;
  readonly rootHash: Uint8Array;
  readonly frontier: Uint8Array;
};

export const EVENT = {
  insert: `
    INSERT INTO event (sequence, type, recorded_at_us, leaf_hash, canonical)
    VALUES (@sequence, @type, @recordedAt, @leafHash, @canonical)`,
  /** Events in order, for replay, verification and followers. */
  after: `
    SELECT sequence, type, recorded_at_us AS recordedAt, leaf_hash AS leafHash, canonical
      FROM event
     WHERE sequence > @after
     ORDER BY sequence
     LIMIT @limit`,
  leafHashes: `
    SELECT leaf_hash AS leafHash FROM event WHERE sequence > @after AND sequence <= @through ORDER BY sequence`,
  delete: "DELETE FROM event WHERE sequence BETWEEN @first AND @last",
  /** What stays of events that are pruned. */
  kept: `
    SELECT sequence, type, recorded_at_us AS recordedAt, leaf_hash AS leafHash FROM event WHERE sequence BETWEEN @first AND @last ORDER BY sequence`,
  bytesOf:
    "SELECT sequence, canonical, leaf_hash AS leafHash FROM event WHERE sequence IN (SELECT value FROM json_each(@sequences))",
  newest: "SELECT max(sequence) AS sequence FROM event",
  /** For the operator's view; conditions are appended. */
  history: `
    SELECT e.sequence, e.recorded_at_us AS recordedAt, e.type, e.canonical, e.leaf_hash AS leafHash FROM event AS e`,
} as const;

const MICROS_PER_MINUTE = 60_000_000;

/** The number of the minute in which an instant lies, as `recorded_minute` counts minutes. */
export function minuteOf(instant: UnixMicros): number {
  return Math.floor(instant / MICROS_PER_MINUTE);
}

export const TREE = {
  head: "SELECT epoch, tree_size AS treeSize, root_hash AS rootHash, frontier FROM tree_head WHERE id = 1",
  size: "SELECT tree_size AS treeSize FROM tree_head WHERE id = 1",
  putHead: `
    INSERT INTO tree_head (id, epoch, tree_size, root_hash, frontier)
    VALUES (1, @epoch, @treeSize, @rootHash, @frontier)
    ON CONFLICT (id) DO UPDATE
       SET epoch = excluded.epoch, tree_size = excluded.tree_size, root_hash = excluded.root_hash,
           frontier = excluded.frontier`,
  node: "SELECT hash FROM tree_node WHERE level = @level AND node_index = @index",
  nodesBefore: `
    SELECT hash FROM tree_node
     WHERE level = @level AND node_index >= @first AND node_index < @end
     ORDER BY node_index`,
  insertNode: "INSERT INTO tree_node (level, node_index, hash) VALUES (@level, @index, @hash)",
} as const;

export const MINUTE = {
  current: "SELECT minute FROM recorded_minute WHERE last_sequence IS NULL",
  leave: "UPDATE recorded_minute SET last_sequence = @lastSequence WHERE minute = @minute",
  enter: `
    INSERT INTO recorded_minute (minute, first_sequence, last_sequence) VALUES (@minute, @firstSequence, NULL)
    ON CONFLICT (minute) DO UPDATE SET last_sequence = NULL`,
  /** A bound: no event recorded in this minute or later has a lower sequence. */
  firstSince: `
    (SELECT coalesce(min(first_sequence), ${Number.MAX_SAFE_INTEGER}) FROM recorded_minute WHERE minute >= @sinceMinute)`,
  /** A bound: no event recorded in this minute or before has a higher sequence. */
  lastUntil: `
    (SELECT CASE WHEN count(*) > count(last_sequence) THEN ${Number.MAX_SAFE_INTEGER}
                 ELSE coalesce(max(last_sequence), 0) END
       FROM recorded_minute WHERE minute <= @untilMinute)`,
} as const;

export const DUE = {
  /** Events of some types before an instant whose content is there, and how much that is. */
  byTypes: `
    SELECT count(*) AS events, coalesce(sum(length(canonical)), 0) AS bytes FROM event
     WHERE sequence > @after AND sequence <= ${MINUTE.lastUntil} AND recorded_at_us < @before
       AND length(canonical) > 2 AND type IN (SELECT value FROM json_each(@types))`,
} as const;

export const EPOCH = {
  insert: `
    INSERT INTO epoch (sequence, epoch, reason, started_at_us) VALUES (@sequence, @epoch, @reason, @at)`,
  newest: "SELECT epoch FROM epoch ORDER BY sequence DESC LIMIT 1",
  /** As it was with an event. */
  at: "SELECT epoch FROM epoch WHERE sequence <= @sequence ORDER BY sequence DESC LIMIT 1",
} as const;

const decoder = new TextDecoder();

/** Reads an event back from the bytes that were hashed. */
export function eventOf(canonical: Uint8Array): LedgerEvent {
  return JSON.parse(decoder.decode(canonical)) as LedgerEvent;
}

/** What stands where the content of a pruned event was. */
export const PRUNED_CANONICAL: Uint8Array = Buffer.from("{}");

/** Whether nothing but the place, the type, the instant and the hash is left of an event. No event ever was this short. */
export function isPruned(canonical: Uint8Array): boolean {
  return canonical.length === PRUNED_CANONICAL.length;
}

/** Copies the bytes, so that they outlive the statement and can be handed to another thread. What is pruned has none. */
export function eventRowOf(row: StoredEvent): EventRow {
  const canonical = isPruned(row.canonical) ? new Uint8Array() : new Uint8Array(row.canonical);
  return { ...row, canonical, leafHash: new Uint8Array(row.leafHash) };
}

/** How many events there are. */
export function sizeOf(db: Pick<Connection, "get">): number {
  return db.get<{ readonly treeSize: number }>(TREE.size)?.treeSize ?? 0;
}
