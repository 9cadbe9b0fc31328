import { type Connection, limitLog } from "./connection.ts";
import { fileBytes } from "./ledger-disk.ts";

/** A log of so many pages is moved into the database: more often would cost more, more rarely would make a longer start after a crash. */
const LOG_PAGES = 4_096;
/** What is moved between two commits, at most: about what one of them writes. */
const PAGES_AT_ONCE = 256;
/**
 * By how much a log that grew long is shortened each time it begins anew: the commit that does it waits for the file system, about a
 * third of a second for a gibibyte.
 */
const BYTES_AT_ONCE = 16 * 1024 * 1024;

/** Moves pages of the write-ahead log into the database while commits go on. One move at a time. */
export type LogMover = {
  isMoving(): boolean;
  /** Begins a move, which ends by itself. */
  begin(): void;
};

export type LogKeeper = {
  /** To be called after each commit, once it is answered. */
  committed(): void;
};

/** Pages of the write-ahead log, and how many of them the database has by now. */
type LogSize = { readonly log: number; readonly checkpointed: number };

/**
 * Keeps the write-ahead log short without making a commit wait for it. SQLite would move the log in the middle of a commit, all of it,
 * and cut the file off: after a read of some minutes, which keeps the log from being moved, that commit would take seconds. Here another
 * thread moves it, and only what was written meanwhile is moved between two commits; then the log begins anew, a little shorter.
 *
 * @param path - of the log.
 */
export function createLogKeeper(db: Connection, path: string, mover: LogMover): LogKeeper {
  /** How long the log was when it was last looked after so. What a reader keeps from being moved is not tried with each commit. */
  let [begunAt, movedAt, limitedAt] = [0, 0, 0];
  return {
    committed() {
      const { log, checkpointed } = sizeOfLog(db);
      if (log < movedAt || log < begunAt || log < limitedAt) [begunAt, movedAt, limitedAt] = [0, 0, 0];
      if (log < LOG_PAGES) return;
      if (log - limitedAt >= PAGES_AT_ONCE) {
        limitedAt = log;
        const bytes = fileBytes(path);
        limitLog(db, bytes - BYTES_AT_ONCE);
      }
      if (mover.isMoving()) return;
      if (log - checkpointed > PAGES_AT_ONCE) {
        if (log - begunAt < PAGES_AT_ONCE) return;
        begunAt = log;
        mover.begin();
      } else if (log - movedAt >= PAGES_AT_ONCE) {
        movedAt = log;
        moveLog(db);
      }
    },
  };
}

/**
 * Moves what no reader needs where it is. Whoever else moves the log at this moment is not waited for.
 *
 * @throws what SQLite throws; then the log still has all of its pages, and the next move writes them again.
 */
export function moveLog(db: Pick<Connection, "all">): void {
  db.all("PRAGMA wal_checkpoint(PASSIVE)");
}

function sizeOfLog(db: Connection): LogSize {
  const [size] = db.all<LogSize>("PRAGMA wal_checkpoint(NOOP)");
  if (size === undefined) throw new TypeError("SQLite does not tell the size of its log");
  return size;
}
