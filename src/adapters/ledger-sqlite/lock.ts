import { join } from "node:path";
import { BrokerError } from "../../domain/errors.ts";
import { createPrivately } from "./connection.ts";
import type { Driver } from "./driver.ts";
import { faultOf } from "./sqlite-fault.ts";

/**
 * Makes this process the only one that opens the ledger in this directory. The lock is SQLite's own, on a file beside
 * the ledger: the kernel gives it back when the process ends, however it ends, so no lock is ever stale.
 *
 * @returns a function that gives the lock back
 * @throws BrokerError NOT_SERVING when another process, or another ledger of this process, holds the lock
 */
export function lockDirectory(driver: Driver, directory: string): () => void {
  const path = join(directory, "ledger.lock");
  createPrivately(path);
  const database = new driver(path, { timeout: 0 });
  try {
    // Nothing is ever written to the lock file, so that it can be locked on a full disk too.
    database.pragma("journal_mode = MEMORY");
    database.exec("BEGIN EXCLUSIVE");
  } catch (thrown) {
    database.close();
    if (faultOf(thrown) !== "busy") throw thrown;
    throw new BrokerError("NOT_SERVING", "another broker is running on this data directory", { cause: thrown });
  }
  return () => void database.close();
}
