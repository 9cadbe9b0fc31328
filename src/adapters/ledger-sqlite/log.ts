import { canonicalBytes } from "../../domain/canonical-json.ts";
import { BrokerError } from "../../domain/errors.ts";
import type { LedgerEvent } from "../../domain/ledger-event.ts";
import {
  append,
  type CompactRange,
  compactRangeOf,
  EMPTY_RANGE,
  frontierBytes,
  leafHash,
  rootOf,
} from "../../domain/merkle-tree.ts";
import type { Head } from "../../ports/ledger.ts";
import type { Connection } from "./connection.ts";
import { project } from "./project.ts";
import { EVENT, eventOf, type HeadRow, MINUTE, minuteOf, TREE } from "./tables/event-table.ts";

/** Only hashes of complete subtrees of 256^n leaves are stored; any other is computed from a few hundred of these. */
export const NODE_LEVELS = 8;

/** All that the next event's row depends on, besides the tables. */
export type LogState = { readonly epoch: string; readonly range: CompactRange; readonly minute: number | undefined };

export const EMPTY_LOG: LogState = { epoch: "", range: EMPTY_RANGE, minute: undefined };

/** How far the log in this database has come, by its stored tree head. */
export function readState(db: Connection): LogState {
  const row = db.get<HeadRow>(TREE.head);
  if (row === undefined) return EMPTY_LOG;
  const range = compactRangeOf(row.treeSize, row.frontier);
  if (range === undefined) throw new BrokerError("LEDGER_UNAVAILABLE", "the stored tree head contradicts itself");
  return { epoch: row.epoch, range, minute: db.get<{ readonly minute: number }>(MINUTE.current)?.minute };
}

export function headOf(state: LogState): Head {
  return { epoch: state.epoch, sequence: state.range.size, rootHash: new Uint8Array(rootOf(state.range)) };
}

/**
 * Writes an event: its bytes, its place in the tree, and what follows from it.
 *
 * @param text - the event's canonical text.
 */
export function appendEvent(db: Connection, state: LogState, event: LedgerEvent, text: string): LogState {
  return write(db, state, event, canonicalBytes(text));
}

/** Writes an event that was recorded elsewhere, from its canonical bytes. */
export function takeEvent(db: Connection, state: LogState, canonical: Uint8Array): LogState {
  return write(db, state, eventOf(canonical), canonical);
}

function write(db: Connection, state: LogState, event: LedgerEvent, canonical: Uint8Array): LogState {
  const hash = leafHash(canonical);
  const sequence = state.range.size + 1;
  db.run(EVENT.insert, { sequence, type: event.type, recordedAt: event.at, leafHash: hash, canonical });
  return followEvent(db, state, event, hash);
}

/** Writes what follows from an event that is in the log already: the tree, the times, the tables. */
export function followEvent(db: Connection, state: LogState, event: LedgerEvent, hash: Uint8Array): LogState {
  const sequence = state.range.size + 1;
  const { range, completed } = append(state.range, hash);
  for (const node of completed) {
    if (node.level % NODE_LEVELS === 0) db.run(TREE.insertNode, node);
  }
  const minute = minuteOf(event.at);
  if (minute !== state.minute) {
    if (state.minute !== undefined) db.run(MINUTE.leave, { minute: state.minute, lastSequence: sequence - 1 });
    db.run(MINUTE.enter, { minute, firstSequence: sequence });
  }
  project(db, event, sequence);
  return { epoch: event.type === "epoch.started" ? event.epoch : state.epoch, range, minute };
}

/** Called once for each group of acts, just before the group commits. */
export function writeHead(db: Connection, state: LogState): Head {
  const head = headOf(state);
  db.run(TREE.putHead, {
    epoch: head.epoch,
    treeSize: head.sequence,
    rootHash: head.rootHash,
    frontier: frontierBytes(state.range),
  });
  return head;
}
