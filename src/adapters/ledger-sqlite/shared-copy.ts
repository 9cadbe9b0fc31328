import { rmSync } from "node:fs";
import { BrokerError } from "../../domain/errors.ts";
import { append, EMPTY_RANGE, frontierBytes, rootOf } from "../../domain/merkle-tree.ts";
import type { SnapshotTaken } from "../../domain/retention-event.ts";
import type { EventRow } from "../../ports/ledger-reads.ts";
import type { SharedLog } from "../../ports/shared-log.ts";
import type { Connection } from "./connection.ts";
import type { Driver } from "./driver.ts";
import { takeSnapshot } from "./project-retention.ts";
import { refill } from "./rebuild.ts";
import { openRestored, writeChunks } from "./snapshot.ts";
import { EVENT, eventOf, PRUNED_CANONICAL, sizeOf, TREE } from "./tables/event-table.ts";

/** Events that are asked for at once. */
export const PAGE_EVENTS = 1_000;

/** Takes the files of a copy away, which can be made anew from the log. */
export function removeCopyFiles(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
}

/** Whether the newest event of a copy is in the log, with the same content. */
export async function isCopyOf(db: Connection, log: SharedLog): Promise<boolean> {
  const size = sizeOf(db);
  return size === 0 || isNewestOf(db, (await log.read(size - 1, 1))[0]);
}

/** Whether what the log has at the place of the newest event of a copy is that event. */
export function isNewestOf(db: Connection, logged: EventRow | undefined): boolean {
  const [own] = db.all<EventRow>(EVENT.after, { after: sizeOf(db) - 1, limit: 1 });
  return own !== undefined && logged !== undefined && Buffer.compare(own.leafHash, logged.leafHash) === 0;
}

/**
 * Fills an empty database with the events of a log and with all that follows from them; from the newest snapshot on, where there is one.
 *
 * @param progress - told how many events were projected, of how many.
 * @throws BrokerError LEDGER_UNAVAILABLE when events, hashes and snapshot contradict one another, or the log can't be read
 */
export async function fillCopy(
  driver: Driver,
  db: Connection,
  log: SharedLog,
  progress: (done: number, total: number) => void,
): Promise<void> {
  db.exec("BEGIN IMMEDIATE");
  try {
    db.pragma("defer_foreign_keys = ON");
    const size = await copyEvents(db, log);
    const hasSnapshot = await copySnapshot(db, log, size);
    const restored = hasSnapshot ? openRestored(driver, db) : undefined;
    try {
      refill(db, progress, restored);
    } finally {
      restored?.close();
    }
    db.exec("COMMIT");
  } catch (thrown) {
    if (db.inTransaction()) db.exec("ROLLBACK");
    throw thrown;
  }
}

/** @returns how many events there are. */
async function copyEvents(db: Connection, log: SharedLog): Promise<number> {
  let range = EMPTY_RANGE;
  for (;;) {
    const page = await log.read(range.size, PAGE_EVENTS);
    for (const event of page) {
      const canonical = event.canonical.length === 0 ? PRUNED_CANONICAL : event.canonical;
      db.run(EVENT.insert, { ...event, canonical });
      range = append(range, event.leafHash).range;
    }
    if (page.length < PAGE_EVENTS) break;
  }
  const { size } = range;
  // What the tables are filled from has to give this root, of the hashes that are stored.
  if (size > 0) {
    db.run(TREE.putHead, { epoch: "", treeSize: size, rootHash: rootOf(range), frontier: frontierBytes(range) });
  }
  return size;
}

async function copySnapshot(db: Connection, log: SharedLog, size: number): Promise<boolean> {
  const event = await log.newestSnapshot();
  if (event === undefined || event.sequence > size) return false;
  const taken = eventOf(event.canonical) as SnapshotTaken;
  await copyChunks(db, log, taken.through);
  takeSnapshot(db, taken, event.sequence);
  return true;
}

/** Writes the chunks of a snapshot that another replica has made. */
export async function copyChunks(db: Connection, log: SharedLog, through: number): Promise<void> {
  for (let first = 0; ; ) {
    const chunks = await log.chunks.read(through, first);
    if (chunks.length === 0) break;
    writeChunks(db, { kind: "keep", through, first, chunks });
    first += chunks.length;
  }
}

/** The snapshots that are recorded in a page of events. */
export function snapshotsIn(page: readonly EventRow[]): readonly SnapshotTaken[] {
  const taken = page.filter(({ type, canonical }) => type === "snapshot.taken" && canonical.length > 0);
  return taken.map(({ canonical }) => eventOf(canonical) as SnapshotTaken);
}

export function copyDamaged(reason: string): BrokerError {
  return new BrokerError("LEDGER_UNAVAILABLE", `the ledger is damaged: ${reason}`);
}
