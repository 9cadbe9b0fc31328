import { existsSync } from "node:fs";
import { join } from "node:path";
import { BrokerError } from "../../domain/errors.ts";
import { type Connection, DATABASE_FILE, openReader } from "./connection.ts";
import { loadDriver } from "./driver.ts";
import { EVENT, eventOf, isPruned, type StoredEvent, sizeOf } from "./tables/event-table.ts";

/** The operation that is the last event of a ledger which goes on elsewhere. */
export const MOVED = "move-ledger";

/** Whether a ledger goes on elsewhere: whatever was recorded here afterwards would be a second truth. */
export function isMoved(db: Connection): boolean {
  const [newest] = db.all<StoredEvent>(EVENT.after, { after: sizeOf(db) - 1, limit: 1 });
  if (newest === undefined || newest.type !== "operator.acted" || isPruned(newest.canonical)) return false;
  const event = eventOf(newest.canonical);
  return event.type === "operator.acted" && event.act === MOVED;
}

/** @throws BrokerError NOT_SERVING for a ledger that goes on elsewhere */
export function checkNotMoved(db: Connection): void {
  if (!isMoved(db)) return;
  throw new BrokerError("NOT_SERVING", "this ledger was moved to PostgreSQL, and goes on there: set ledger.postgres");
}

/**
 * Whether a directory holds a ledger that goes on there.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE when it can't be read
 */
export async function hasOwnLedger(directory: string): Promise<boolean> {
  const path = join(directory, DATABASE_FILE);
  if (!existsSync(path)) return false;
  const db = openReader(await loadDriver(), path);
  try {
    return !isMoved(db);
  } finally {
    db.close();
  }
}
