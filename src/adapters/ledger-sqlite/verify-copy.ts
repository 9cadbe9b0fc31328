import { BrokerError } from "../../domain/errors.ts";
import { rootOf } from "../../domain/merkle-tree.ts";
import type { UnixMicros } from "../../domain/time.ts";
import type { Head } from "../../ports/ledger.ts";
import { type Connection, openCopy } from "./connection.ts";
import type { Driver } from "./driver.ts";
import { headOf, readState } from "./log.ts";
import { migrate, readMigrations } from "./migrate.ts";
import { copyDamaged } from "./shared-copy.ts";
import { BACKUP_MARK } from "./tables/backup-mark-table.ts";
import { sizeOf } from "./tables/event-table.ts";
import { rangeAt, verifyLog, verifyPages } from "./verify-log.ts";

/** What a copy is held against: what its broker says that it is, and what was here before. */
export type CopyTerms = { readonly said: Head; readonly before: Head | undefined; readonly now: UnixMicros };

/**
 * Verifies a whole copy (its pages, every event against its tree, that it continues what was here), brings it to this program's schema and
 * marks it as one.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE where it is none of that; NOT_SERVING where it is a newer version's; what SQLite throws
 */
export function verifyCopy(driver: Driver, path: string, { said, before, now }: CopyTerms): void {
  const db = openCopy(driver, path);
  try {
    if (!isSameHead(headOf(readState(db)), said)) throw copyDamaged("the copy ends elsewhere than the primary says");
    for (const verifies of [verifyPages, verifyEvents]) {
      const finding = verifies(db);
      if (finding.kind === "damaged") throw copyDamaged(finding.reason);
    }
    if (before !== undefined) checkContinued(before, headAt(db, before));
    migrate(db, readMigrations(), now);
    db.run(BACKUP_MARK.put, { sequence: said.sequence, madeAt: now });
  } finally {
    db.close();
  }
}

const verifyEvents = (db: Connection) => verifyLog(db, "all");

/**
 * @param own - of a copy.
 * @param primary - of the ledger that it is of, where it has as many events, or at its end.
 * @throws BrokerError LEDGER_UNAVAILABLE where that ledger does not have all that the copy has, each event at its place
 */
export function checkContinued(own: Head, primary: Head): void {
  if (isSameHead(own, primary)) return;
  const why =
    primary.sequence < own.sequence
      ? `it ends at event ${primary.sequence}, and this copy of it at ${own.sequence}`
      : `up to event ${own.sequence} it is not what this copy of it is`;
  throw new BrokerError("LEDGER_UNAVAILABLE", `the ledger of the primary went back in time, or is another: ${why}`);
}

export function isSameHead(one: Head, other: Head): boolean {
  return (
    one.epoch === other.epoch && one.sequence === other.sequence && Buffer.compare(one.rootHash, other.rootHash) === 0
  );
}

/** The ledger as it was when it had as many events as a copy, or as it is where it never had; the epoch is the copy's. */
function headAt(db: Connection, { epoch, sequence: wanted }: Head): Head {
  const sequence = Math.min(wanted, sizeOf(db));
  const range = rangeAt(db, sequence);
  if (range === undefined) throw copyDamaged("stored hashes are missing");
  return { epoch, sequence, rootHash: rootOf(range) };
}
