import { createHash } from "node:crypto";
import { renameSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { BrokerError } from "../../domain/errors.ts";
import type { SnapshotTaken } from "../../domain/retention-event.ts";
import type { UnixMicros } from "../../domain/time.ts";
import type { Head } from "../../ports/ledger.ts";
import type { FollowedPage, StandbyLedger } from "../../ports/standby.ts";
import { removeCopy } from "./backup.ts";
import { type Connection, DATABASE_FILE, openWriter, syncDirectory } from "./connection.ts";
import { type Driver, loadDriver } from "./driver.ts";
import { verifyAtStart } from "./durable-store.ts";
import { lockDirectory } from "./lock.ts";
import { headOf, readState, takeEvent, writeHead } from "./log.ts";
import { migrate, readMigrations } from "./migrate.ts";
import { copyDamaged } from "./shared-copy.ts";
import { hasChunks, writeChunks } from "./snapshot.ts";
import { faultOf } from "./sqlite-fault.ts";
import { BACKUP_MARK } from "./tables/backup-mark-table.ts";
import { eventOf } from "./tables/event-table.ts";
import { checkContinued, isSameHead } from "./verify-copy.ts";
import { verifyCopyElsewhere } from "./verify-copy-thread.ts";

/** Where a copy lies until it is whole. */
const PART_FILE = "ledger.copy";

/**
 * Opens the directory of a standby's copy behind its lock, and the copy where there is one.
 *
 * @throws BrokerError NOT_SERVING when another process has the directory, or the copy is a newer version's; LEDGER_UNAVAILABLE when it is
 *   damaged
 */
export async function openStandbyLedger(directory: string, now: () => UnixMicros): Promise<StandbyLedger> {
  const driver = await loadDriver();
  const path = join(directory, DATABASE_FILE);
  const part = join(directory, PART_FILE);
  const unlock = lockDirectory(driver, directory);
  let copy: Copy | undefined;
  try {
    removeCopy(part);
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) copy = openWhole(driver, path, now);
  } catch (thrown) {
    unlock();
    throw thrown;
  }

  return {
    head: () => copy?.head(),
    async replace({ chunks, facts }, signal) {
      try {
        const sha256 = await written(part, chunks);
        const said = facts();
        if (sha256 !== said.sha256) throw copyDamaged("the copy is not what the primary verified");
        const terms = { said: said.head, before: copy?.head(), now: now() };
        await verifyCopyElsewhere(part, terms, signal);
      } catch (thrown) {
        removeCopy(part);
        throw refusalOfCopy(thrown);
      }
      // The last connection moves the write-ahead log into the database, and removes it.
      copy?.close();
      copy = undefined;
      renameSync(part, path);
      syncDirectory(directory);
      copy = openWhole(driver, path, now);
    },
    keepChunk: (chunk) => opened(copy).keepChunk(chunk),
    take: (page) => opened(copy).take(page),
    close() {
      copy?.close();
      unlock();
    },
  };
}

function opened(copy: Copy | undefined): Copy {
  if (copy === undefined) throw new BrokerError("NOT_SERVING", "there is no whole copy yet");
  return copy;
}

type Copy = Pick<StandbyLedger, "keepChunk" | "take" | "close"> & { head(): Head };

function openWhole(driver: Driver, path: string, now: () => UnixMicros): Copy {
  const db = openWriter(driver, path);
  try {
    migrate(db, readMigrations(), now());
    verifyAtStart(db, path);
    return copyIn(db, now);
  } catch (thrown) {
    db.close();
    throw thrown;
  }
}

function copyIn(db: Connection, now: () => UnixMicros): Copy {
  const schema = readMigrations().length;
  let state = readState(db);

  /** In one transaction with the events, so that however far the copy has come, it is marked there. */
  function append({ events, head }: FollowedPage): void {
    let next = state;
    for (const canonical of events) {
      const event = eventOf(canonical);
      next = takeEvent(db, next, canonical);
      if (event.type === "snapshot.taken") checkChunks(db, event);
    }
    if (!isSameHead(headOf(next), head)) {
      throw copyDamaged(`the events from ${state.range.size + 1} on do not give the tree that the primary names`);
    }
    writeHead(db, next);
    db.run(BACKUP_MARK.put, { sequence: head.sequence, madeAt: now() });
    db.run("COMMIT");
    state = next;
  }

  return {
    head: () => headOf(state),
    keepChunk({ through, index: first, content }) {
      try {
        writeChunks(db, { kind: "keep", through, first, chunks: [content] });
      } catch (thrown) {
        throw refusalOf(thrown);
      }
    },
    take(page) {
      if (page.schema > schema) {
        throw new BrokerError(
          "NOT_SERVING",
          "the primary is a newer version: this standby has to be brought up to it first",
        );
      }
      const own = headOf(state);
      if (page.events.length === 0) return checkContinued(own, page.head);
      try {
        db.run("BEGIN IMMEDIATE");
        append(page);
      } catch (thrown) {
        if (db.inTransaction()) db.run("ROLLBACK");
        throw refusalOf(thrown);
      }
    },
    close: () => db.close(),
  };
}

/** Parts of any other snapshot go, as they do at the primary. */
function checkChunks(db: Connection, { through, chunks, rootHash }: SnapshotTaken): void {
  if (!hasChunks(db, { through, chunks, rootHash })) throw copyDamaged("the snapshot is not the one that was recorded");
  for (;;) if (writeChunks(db, { kind: "forget", made: through }) === 0) return;
}

/** Whatever the disk refuses is another matter than what the primary has sent. */
function refusalOf(thrown: unknown): unknown {
  const fault = faultOf(thrown);
  if (thrown instanceof BrokerError || (fault !== undefined && fault !== "constraint" && fault !== "full"))
    return thrown;
  if (fault === "full") return new BrokerError("LEDGER_UNAVAILABLE", "the disk of this copy is full");
  return copyDamaged("an event does not follow from those before it");
}

/** A copy that can't be written is tried again; what is there is as it was. */
function refusalOfCopy(thrown: unknown): unknown {
  if (thrown instanceof BrokerError || !(thrown instanceof Error) || !("code" in thrown)) return thrown;
  return new BrokerError("LEDGER_UNAVAILABLE", `the copy can't be written (${String(thrown.code)})`, { cause: thrown });
}

/** @returns the SHA-256 of what was written, hexadecimal. */
async function written(path: string, chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const digest = createHash("sha256");
  const file = await open(path, "wx", 0o600);
  try {
    for await (const chunk of chunks) {
      digest.update(chunk);
      await file.writeFile(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return digest.digest("hex");
}
