import { BrokerError } from "../../domain/errors.ts";
import type { UnixMicros } from "../../domain/time.ts";
import type { Finding } from "../../ports/ledger.ts";
import { type Connection, openScratch } from "./connection.ts";
import type { Driver } from "./driver.ts";
import { migrate, readMigrations } from "./migrate.ts";
import { ProjectionMismatch } from "./projection-mismatch.ts";
import { consistently } from "./reads/reader.ts";
import { replay, tableDigests } from "./rebuild.ts";
import { sqliteCodeOf } from "./sqlite-fault.ts";
import { verifyLog, verifyPages } from "./verify-log.ts";

/**
 * Verifies the whole ledger, on a connection that may only read: every page and index, every event against the tree,
 * and every table against what the events say, by replaying the events into a temporary database. Takes about as long
 * as writing the whole ledger once more.
 */
export function verifyAll(driver: Driver, db: Connection): Finding {
  const scratch = openScratch(driver);
  try {
    migrate(scratch, readMigrations(), 0 as UnixMicros);
    return consistently(db, () => {
      for (const verifies of [verifyPages, verifyLog]) {
        const finding = verifies(db, "all");
        if (finding.kind === "damaged") return finding;
      }
      return verifyTables(db, scratch);
    });
  } finally {
    scratch.close();
  }
}

function verifyTables(db: Connection, scratch: Connection): Finding {
  try {
    scratch.exec("BEGIN");
    replay(db, scratch);
    scratch.exec("COMMIT");
  } catch (thrown) {
    const isFinding = thrown instanceof ProjectionMismatch || thrown instanceof BrokerError;
    if (!isFinding && sqliteCodeOf(thrown) === undefined) throw thrown;
    return { kind: "damaged", reason: "an event does not fit what the events before it say" };
  }
  const expected = tableDigests(scratch);
  for (const [table, digest] of tableDigests(db)) {
    if (expected.get(table) !== digest)
      return { kind: "damaged", reason: `the table ${table} is not what follows from the events` };
  }
  return { kind: "intact" };
}
