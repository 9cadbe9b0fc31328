import { join } from "node:path";
import { BrokerError } from "../../domain/errors.ts";
import { createPrivately } from "./connection.ts";
import type { Driver } from "./driver.ts";
import { faultOf } from "./sqlite-fault.ts";

/**
 * Makes this process the only one that opens the ledger in this directory. SQLite's own lock on a file beside it serves:
 * the kernel gives it back when the process ends, however it ends, so there is nothing stale to clean up.
 *
 * @returns a function that gives the lock back
 * @throws BrokerError NOT_SERVING when another process, or another ledger of this one, has it
 */
export function lockDirectory(driver: Driver, directory: string): () => void {
  const path = join(directory, "ledger.lock");
  createPrivately(path);
  const database = new driver(path, { timeout: 0 });
  try {
    // Nothing is ever written to it, so that it can be locked on a full disk too.
    database.pragma("journal_mode = MEMORY");
    database.exec("BEGIN EXCLUSIVE");
  } catch (thrown) {
    database.close();
    if (faultOf(thrown) !== "busy") throw thrown;
    throw new BrokerError("NOT_SERVING", "another broker is running on this data directory", { cause: thrown });
  }
  return () => void database.close();
}
