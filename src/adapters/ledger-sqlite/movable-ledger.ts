import { statSync } from "node:fs";
import { join } from "node:path";
import { BrokerError } from "../../domain/errors.ts";
import type { UnixMicros } from "../../domain/time.ts";
import type { Head } from "../../ports/ledger.ts";
import type { EventRow } from "../../ports/ledger-reads.ts";
import { DATABASE_FILE, openWriter } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { lockDirectory } from "./lock.ts";
import { pendingOf, readMigrations } from "./migrate.ts";
import { isMoved, MOVED } from "./seal.ts";
import { newestSnapshot } from "./snapshot.ts";
import { openStore } from "./store.ts";
import { EVENT, eventRowOf, type StoredEvent } from "./tables/event-table.ts";
import { SNAPSHOT, type SnapshotChunkRow } from "./tables/retention-table.ts";
import { verifyAll } from "./verify-all.ts";

/** A ledger that no broker runs on, for whoever takes it elsewhere. */
export type MovableLedger = {
  head(): Head;
  /** In order, at most `limit`. */
  events(after: number, limit: number): readonly EventRow[];
  /** The chunks of the newest snapshot, some at a time; none where there is no snapshot. */
  chunks(from: number): { readonly through: number; readonly chunks: readonly Uint8Array[] };
  /** Makes the ledger's last event one that says where it goes on: no broker starts on it from here on. Idempotent. */
  seal(target: string, now: UnixMicros): void;
  close(): void;
};

/**
 * Opens a ledger behind its lock, and verifies all of it.
 *
 * @throws BrokerError NOT_SERVING when a broker runs, there is no ledger, or it is another version's; LEDGER_UNAVAILABLE when the ledger
 *   is damaged
 */
export async function openMovableLedger(directory: string): Promise<MovableLedger> {
  const path = join(directory, DATABASE_FILE);
  if (statSync(path, { throwIfNoEntry: false }) === undefined) {
    throw new BrokerError("NOT_SERVING", "there is no ledger to be moved", { detail: path });
  }
  const driver = await loadDriver();
  const unlock = lockDirectory(driver, directory);
  const db = openWriter(driver, path);
  const close = () => {
    db.close();
    unlock();
  };
  try {
    if (pendingOf(db, readMigrations()).pending.length > 0) {
      throw new BrokerError("NOT_SERVING", "the ledger is an older version's: a start brings it up to date");
    }
    const finding = verifyAll(driver, db);
    if (finding.kind === "damaged") throw new BrokerError("LEDGER_UNAVAILABLE", finding.reason);
    const store = openStore(db);
    return {
      head: store.head,
      events: (after, limit) => db.all<StoredEvent>(EVENT.after, { after, limit }).map(eventRowOf),
      chunks(from) {
        const through = newestSnapshot(db)?.through ?? 0;
        const rows = db.all<SnapshotChunkRow>(SNAPSHOT.chunks, { through, from });
        return { through, chunks: rows.map(({ content }) => new Uint8Array(content)) };
      },
      seal(target, now) {
        if (isMoved(db)) return;
        const by = { kind: "broker", cause: "config" } as const;
        const reason = "the ledger goes on there";
        const act = { act: "record-operation", operation: MOVED, target, reason, by, now } as const;
        const [outcome] = store.commit([act]).outcomes;
        if (outcome?.kind === "failed") throw outcome.error;
      },
      close,
    };
  } catch (thrown) {
    close();
    throw thrown;
  }
}
