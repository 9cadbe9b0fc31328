import { createHash } from "node:crypto";
import { closeSync, createReadStream, fsyncSync, openSync, rmSync, statSync } from "node:fs";
import { BrokerError } from "../../domain/errors.ts";
import type { UnixMicros } from "../../domain/time.ts";
import type { Head } from "../../ports/ledger.ts";
import { createPrivately, openCopy, openSnapshot } from "./connection.ts";
import type { Driver } from "./driver.ts";
import { headOf, readState } from "./log.ts";
import { BACKUP_MARK } from "./tables/backup-mark-table.ts";
import { continues, verifyLog, verifyPages } from "./verify-log.ts";

/** Pages of one turn: a MiB, between which the disk is the writer's. */
const PAGES_PER_TURN = 256;
/** Turns from one fsync to the next. Once for all at the end, it would make every commit wait that comes meanwhile. */
const TURNS_PER_SYNC = 8;

export type CopiedLedger = { readonly head: Head; readonly bytes: number; readonly sha256: string };

/**
 * Writes a verified and marked copy of a database that goes on, to a new file.
 *
 * @param seen - a head that was acknowledged before the copy began; the copy has to continue it.
 * @throws BrokerError LEDGER_UNAVAILABLE when the copy is not what was acknowledged; any other error is SQLite's or the
 *   system's. Nothing is left behind then.
 */
export async function backUp(
  driver: Driver,
  paths: { readonly from: string; readonly to: string },
  { seen, now }: { readonly seen: Head; readonly now: UnixMicros },
  progress: (share: number) => void,
): Promise<CopiedLedger> {
  const { from, to } = paths;
  removeCopy(to);
  createPrivately(to);
  try {
    await copyPages(driver, from, to, progress);
    const head = markAndVerify(driver, to, seen, now);
    syncFile(to);
    return { head, bytes: statSync(to).size, sha256: await digestOf(to) };
  } catch (thrown) {
    removeCopy(to);
    throw thrown;
  }
}

export function removeCopy(path: string): void {
  for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(`${path}${suffix}`, { force: true });
}

async function copyPages(driver: Driver, from: string, to: string, progress: (share: number) => void): Promise<void> {
  const snapshot = openSnapshot(driver, from);
  let turns = 0;
  try {
    await snapshot.copyTo(to, ({ totalPages, remainingPages }) => {
      turns += 1;
      if (turns % TURNS_PER_SYNC === 0) syncFile(to);
      progress(totalPages === 0 ? 0 : 1 - remainingPages / totalPages);
      return PAGES_PER_TURN;
    });
  } finally {
    snapshot.close();
  }
}

function markAndVerify(driver: Driver, path: string, seen: Head, now: UnixMicros): Head {
  const db = openCopy(driver, path);
  try {
    const head = headOf(readState(db));
    db.run(BACKUP_MARK.put, { sequence: head.sequence, madeAt: now });
    for (const finding of [verifyPages(db), verifyLog(db, "all"), continues(db, seen)]) {
      if (finding.kind === "damaged") {
        throw new BrokerError("LEDGER_UNAVAILABLE", `the copy is not what was recorded: ${finding.reason}`);
      }
    }
    return head;
  } finally {
    db.close();
  }
}

function syncFile(path: string): void {
  const file = openSync(path, "r");
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

async function digestOf(path: string): Promise<string> {
  const digest = createHash("sha256");
  for await (const chunk of createReadStream(path)) digest.update(chunk as Uint8Array);
  return digest.digest("hex");
}
