import { createHash } from "node:crypto";
import { BrokerError } from "../../domain/errors.ts";
import { leafHash } from "../../domain/merkle-tree.ts";
import type { Connection } from "./connection.ts";
import { EMPTY_LOG, followEvent, type LogState, writeHead } from "./log.ts";
import { EVENT, eventOf, type HeadRow, type StoredEvent, TREE } from "./tables/event-table.ts";

/** All tables that follow from the log, each before the tables that refer to it. */
export const PROJECTIONS = [
  "tree_head",
  "tree_node",
  "recorded_minute",
  "epoch",
  "registration_entry",
  "policy",
  "policy_set_member",
  "policy_set",
  "policies_in_force",
  "risk",
  "fact",
  "fact_shared",
  "fact_pair",
  "fact_connection",
  "run",
  "step",
  "step_event",
  "step_opener",
  "enrolled_process",
  "decision",
  "call_count",
  "call_approval",
  "exchange",
  "usage",
  "usage_gap",
  "issuance",
  "delegation_token",
  "revocation",
  "authority",
  "federation",
  "principal",
  "tool",
  "tool_definition",
  "join_token",
  "spent_evidence",
  "receipt",
  "closure",
  "status_list",
  "event_stream",
] as const;

const PAGE_EVENTS = 1_000;

/**
 * Empties every table that follows from the log and writes it anew from the events, in one transaction.
 *
 * @throws as `refill`
 */
export function rebuild(db: Connection, progress: (done: number, total: number) => void = () => undefined): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    // Rows refer to other rows of their own table, and deleting does not know the order of these references.
    db.pragma("defer_foreign_keys = ON");
    refill(db, progress);
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
export function refill(db: Connection, progress: (done: number, total: number) => void): void {
  const stored = db.get<HeadRow>(TREE.head);
  for (const table of PROJECTIONS.toReversed()) db.exec(`DELETE FROM ${table}`);
  replay(db, db, (done) => progress(done, stored?.treeSize ?? done));
  const rebuilt = db.get<HeadRow>(TREE.head);
  const isSame = Buffer.compare(stored?.rootHash ?? NO_HASH, rebuilt?.rootHash ?? NO_HASH) === 0;
  if (!isSame)
    throw new BrokerError("LEDGER_UNAVAILABLE", "the ledger is damaged: its events are not those of its tree");
}

const NO_HASH = new Uint8Array();

/**
 * Writes what follows from the log of one database into the empty tables of another database, or of the same one.
 *
 * @throws ProjectionMismatch when an event does not fit what the events before it say
 */
function replay(source: Connection, target: Connection, progress: (done: number) => void = () => undefined): void {
  let state: LogState = EMPTY_LOG;
  for (;;) {
    const page = source.all<StoredEvent>(EVENT.after, { after: state.range.size, limit: PAGE_EVENTS });
    // Hashes the stored bytes, and ignores the stored hash: the root of these hashes is compared with the stored root.
    for (const { canonical } of page) state = followEvent(target, state, eventOf(canonical), leafHash(canonical));
    progress(state.range.size);
    if (page.length < PAGE_EVENTS) break;
  }
  if (state.range.size > 0) writeHead(target, state);
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
