import { createHash } from "node:crypto";
import { BrokerError } from "../../domain/errors.ts";
import { append, EMPTY_RANGE, leafHash, rootOf } from "../../domain/merkle-tree.ts";
import type { Connection } from "./connection.ts";
import { EMPTY_LOG, followEvent, headOf, type LogState, readState, writeHead } from "./log.ts";
import { PROJECTIONS } from "./projections.ts";
import { copyProjections } from "./snapshot-chunks.ts";
import { EVENT, eventOf, type HeadRow, isPruned, type StoredEvent, TREE } from "./tables/event-table.ts";

const PAGE_EVENTS = 1_000;

/**
 * Empties every table that follows from the log and writes it anew from the events, in one transaction.
 *
 * @param restored - where events begin from a snapshot: its tables.
 * @throws as `refill`
 */
export function rebuild(
  db: Connection,
  progress: (done: number, total: number) => void = () => undefined,
  restored?: Connection,
): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    // Rows refer to other rows of their own table, and deleting does not know the order of these references.
    db.pragma("defer_foreign_keys = ON");
    refill(db, progress, restored);
    db.exec("COMMIT");
  } catch (thrown) {
    if (db.inTransaction()) db.exec("ROLLBACK");
    throw thrown;
  }
}

/**
 * Empties the same tables and writes them anew, within a transaction that is under way.
 *
 * @param progress - told how many events were projected, of how many.
 * @throws BrokerError LEDGER_UNAVAILABLE when the events do not give the tree head that is stored
 */
export function refill(db: Connection, progress: (done: number, total: number) => void, restored?: Connection): void {
  const stored = db.get<HeadRow>(TREE.head);
  for (const table of PROJECTIONS.toReversed()) db.exec(`DELETE FROM ${table}`);
  const begin = restored === undefined ? EMPTY_LOG : beginFrom(db, restored);
  replay(db, begin, (done) => progress(done, stored?.treeSize ?? done));
  const rebuilt = db.get<HeadRow>(TREE.head);
  const isSame = Buffer.compare(stored?.rootHash ?? NO_HASH, rebuilt?.rootHash ?? NO_HASH) === 0;
  if (!isSame) throw notOfTree();
}

const NO_HASH = new Uint8Array();

/** Puts the tables of a snapshot in place, once the events before it are known to be those that it came of. */
function beginFrom(db: Connection, restored: Connection): LogState {
  copyProjections(restored, db);
  const state = readState(db);
  let range = EMPTY_RANGE;
  while (range.size < state.range.size) {
    const limit = Math.min(PAGE_EVENTS, state.range.size - range.size);
    const page = db.all<StoredEvent>(EVENT.after, { after: range.size, limit });
    if (page.length < limit) throw notOfTree();
    for (const { canonical, leafHash: kept } of page) {
      range = append(range, isPruned(canonical) ? kept : leafHash(canonical)).range;
    }
  }
  if (Buffer.compare(rootOf(range), headOf(state).rootHash) !== 0) throw notOfTree();
  return state;
}

function notOfTree(): BrokerError {
  return new BrokerError("LEDGER_UNAVAILABLE", "the ledger is damaged: its events are not those of its tree");
}

/**
 * Writes what follows from the events after those that the tables have seen.
 *
 * @throws ProjectionMismatch when an event does not fit what the events before it say
 */
function replay(db: Connection, begin: LogState, progress: (done: number) => void): void {
  let state = begin;
  for (;;) {
    const page = db.all<StoredEvent>(EVENT.after, { after: state.range.size, limit: PAGE_EVENTS });
    // Hashes the stored bytes, and ignores the stored hash: the root of these hashes is compared with the stored root.
    if (page.some(({ canonical }) => isPruned(canonical))) throw notOfTree();
    for (const { canonical } of page) state = followEvent(db, state, eventOf(canonical), leafHash(canonical));
    progress(state.range.size);
    if (page.length < PAGE_EVENTS) break;
  }
  if (state.range.size > 0) writeHead(db, state);
}

/** One SHA-256 for the content of each table that follows from the log, by the table's name. */
export function tableDigests(db: Connection): ReadonlyMap<string, string> {
  return new Map(PROJECTIONS.map((table) => [table, tableDigest(db, table)]));
}

function tableDigest(db: Connection, table: (typeof PROJECTIONS)[number]): string {
  const digest = createHash("sha256");
  // The first column begins the primary key; where the key has two columns, the second completes it.
  for (const row of db.iterate<object>(`SELECT * FROM ${table} ORDER BY 1, 2`)) {
    digest.update(`${JSON.stringify(Object.values(row))}\n`);
  }
  return digest.digest("hex");
}
