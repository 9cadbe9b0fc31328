import { statSync } from "node:fs";
import { join } from "node:path";
import { BrokerError } from "../../domain/errors.ts";
import { DATABASE_FILE, openWriter } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { lockDirectory } from "./lock.ts";
import { pendingOf, readMigrations } from "./migrate.ts";
import { ProjectionMismatch } from "./projection-mismatch.ts";
import { rebuild } from "./rebuild.ts";
import { newestSnapshot, openRestored } from "./snapshot.ts";
import { sizeOf } from "./tables/event-table.ts";

/**
 * Writes every table of a ledger anew from its events, behind the ledger's lock and in one transaction: what is cut short
 * leaves the ledger as it was. Events that do not give the root that is stored are refused: a table that follows from a changed
 * event would be wrong, and fit.
 *
 * @param progress - told how many events were projected, of how many.
 * @returns how many events there are.
 * @throws BrokerError NOT_SERVING when a broker runs, there is no ledger, or it is another version's; LEDGER_UNAVAILABLE when
 *   the events themselves are damaged
 */
export async function rebuildAlone(
  directory: string,
  progress: (done: number, total: number) => void,
): Promise<number> {
  const path = join(directory, DATABASE_FILE);
  if (statSync(path, { throwIfNoEntry: false }) === undefined) {
    throw new BrokerError("NOT_SERVING", "there is no ledger yet", { detail: path });
  }
  const driver = await loadDriver();
  const unlock = lockDirectory(driver, directory);
  try {
    const db = openWriter(driver, path);
    try {
      if (pendingOf(db, readMigrations()).pending.length > 0) {
        throw new BrokerError("NOT_SERVING", "the ledger is an older version's: a start brings it up to date");
      }
      const restored = newestSnapshot(db) === undefined ? undefined : openRestored(driver, db);
      try {
        rebuild(db, progress, restored);
      } finally {
        restored?.close();
      }
      return sizeOf(db);
    } catch (thrown) {
      if (!(thrown instanceof ProjectionMismatch)) throw thrown;
      throw new BrokerError("LEDGER_UNAVAILABLE", `the ledger is damaged, and can't be rebuilt: ${thrown.message}`);
    } finally {
      db.close();
    }
  } finally {
    unlock();
  }
}
