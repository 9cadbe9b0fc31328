import { closeSync, existsSync, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";
import type BetterSqlite3 from "better-sqlite3";
import type { Driver } from "./driver.ts";

export const DATABASE_FILE = "ledger.db";

/** Several times what the paths have; the operator's filters make statements without end. */
const STATEMENTS_MAX = 1_000;

export type SqlValue = string | number | null | Uint8Array;
export type SqlParameters = Readonly<Record<string, SqlValue>>;

/**
 * A database connection that prepares each statement once. Callers type its rows, by the names of the SQL's columns.
 */
export type Connection = {
  get<Row>(sql: string, parameters?: SqlParameters): Row | undefined;
  all<Row>(sql: string, parameters?: SqlParameters): readonly Row[];
  iterate<Row>(sql: string, parameters?: SqlParameters): IterableIterator<Row>;
  /** Returns how many rows the statement changed. */
  run(sql: string, parameters?: SqlParameters): number;
  /** Several statements at once, unprepared. */
  exec(sql: string): void;
  pragma(text: string): unknown;
  inTransaction(): boolean;
  close(): void;
};

/** The longest wait for a foreign process that holds the database. */
const BUSY_TIMEOUT_MS = 2_000;
/**
 * Pages from one checkpoint to the next where commits make them: fewer would make commits wait more often, more would make each wait
 * longer.
 */
export const WAL_AUTOCHECKPOINT_PAGES = 1_000;
/** The write-ahead log grows while a long read keeps it from being reused; afterwards it shrinks back to this size at most. */
export const WAL_BYTES_MAX = 64 * 1024 * 1024;
/** The writer reads the same pages again and again: those of the newest events and of the open steps. */
const WRITER_CACHE_KIB = 32 * 1024;
const READER_CACHE_KIB = 16 * 1024;

/**
 * Opens the one writing connection. A commit returns only after fsync: by the library's default for write-ahead logging
 * a commit would not wait for fsync, and an acknowledged commit could be lost.
 */
export function openWriter(driver: Driver, path: string): Connection {
  return openWriting(driver, path, "FULL");
}

/**
 * The same for tables that can be made anew from a log elsewhere: no commit waits for fsync, and a power cut takes the newest commits
 * and damages nothing.
 */
export function openCopyWriter(driver: Driver, path: string): Connection {
  return openWriting(driver, path, "NORMAL");
}

function openWriting(driver: Driver, path: string, synchronous: "FULL" | "NORMAL"): Connection {
  if (path !== ":memory:") createPrivately(path);
  const database = new driver(path, { timeout: BUSY_TIMEOUT_MS });
  database.pragma("journal_mode = WAL");
  database.pragma(`synchronous = ${synchronous}`);
  database.pragma(`wal_autocheckpoint = ${WAL_AUTOCHECKPOINT_PAGES}`);
  database.pragma(`journal_size_limit = ${WAL_BYTES_MAX}`);
  prepareSession(database, WRITER_CACHE_KIB);
  return connectionOf(database);
}

/** Has the write-ahead log cut off at so many bytes when it begins anew, if it is longer; it is never cut off below `WAL_BYTES_MAX`. */
export function limitLog(db: Pick<Connection, "pragma">, bytes = WAL_BYTES_MAX): void {
  db.pragma(`journal_size_limit = ${Math.max(bytes, WAL_BYTES_MAX)}`);
}

/** Opens a connection that moves the write-ahead log into the database, and does nothing else. */
export function openMover(driver: Driver, path: string): Connection {
  const database = new driver(path, { fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  database.pragma("synchronous = FULL");
  return connectionOf(database);
}

/** Opens a connection that can only read. A read may be one commit behind. */
export function openReader(driver: Driver, path: string): Connection {
  const database = new driver(path, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  prepareSession(database, READER_CACHE_KIB);
  return connectionOf(database);
}

/** The database as it was when this was opened, however much is written meanwhile. The write-ahead log grows until it is closed. */
export type Snapshot = {
  /**
   * Copies all pages, some in each turn.
   *
   * @param turn - told how far it is; gives how many pages the next turn copies.
   */
  copyTo(path: string, turn: (progress: BetterSqlite3.BackupMetadata) => number): Promise<void>;
  close(): void;
};

export function openSnapshot(driver: Driver, path: string): Snapshot {
  const database = new driver(path, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  // A transaction begins to see with its first read, and copying would begin anew whenever somebody writes without it.
  database.exec("BEGIN; SELECT count(*) FROM tree_head");
  return {
    async copyTo(to, turn) {
      await database.backup(to, { progress: turn });
    },
    close: () => void database.close(),
  };
}

/** Opens a copy to finish it: what is written goes into the one file, so that nothing beside it is a part of it. */
export function openCopy(driver: Driver, path: string): Connection {
  const database = new driver(path, { fileMustExist: true });
  database.pragma("journal_mode = DELETE");
  database.pragma("synchronous = FULL");
  prepareSession(database, READER_CACHE_KIB);
  return connectionOf(database);
}

/** Opens a database that is gone when it is closed; pages that do not fit into memory go into a temporary file. */
export function openScratch(driver: Driver): Connection {
  const database = new driver("");
  database.pragma("journal_mode = OFF");
  database.pragma("synchronous = OFF");
  prepareSession(database, WRITER_CACHE_KIB);
  return connectionOf(database);
}

function prepareSession(database: BetterSqlite3.Database, cacheKib: number): void {
  database.pragma("foreign_keys = ON");
  database.pragma("trusted_schema = OFF");
  database.pragma("cell_size_check = ON");
  // A full disk must not be able to fail a sort or a savepoint.
  database.pragma("temp_store = MEMORY");
  database.pragma(`cache_size = -${cacheKib}`);
}

/** SQLite would create the file readable for all; the database's companion files take over the mode of this file. */
export function createPrivately(path: string): void {
  if (existsSync(path)) return;
  closeSync(openSync(path, "a", 0o600));
  syncDirectory(dirname(path));
}

/** A new file is there after a power cut only once its directory has been written too. */
export function syncDirectory(path: string): void {
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function connectionOf(database: BetterSqlite3.Database): Connection {
  const prepared = new Map<string, BetterSqlite3.Statement<SqlParameters[]>>();
  const statement = (sql: string): BetterSqlite3.Statement<SqlParameters[]> => {
    const known = prepared.get(sql);
    if (known !== undefined) return known;
    // This build of SQLite prepares a statement anew, at five to ten times its cost, whenever a value is bound that the
    // planner might look at. A plus before the parameter keeps the planner from looking, and changes nothing else.
    const made = database.prepare<SqlParameters[]>(sql.replaceAll("@", "+@"));
    const [oldest] = prepared.keys();
    if (prepared.size >= STATEMENTS_MAX && oldest !== undefined) prepared.delete(oldest);
    prepared.set(sql, made);
    return made;
  };
  return {
    get: <Row>(sql: string, parameters: SqlParameters = {}) => statement(sql).get(parameters) as Row | undefined,
    all: <Row>(sql: string, parameters: SqlParameters = {}) => statement(sql).all(parameters) as Row[],
    iterate: <Row>(sql: string, parameters: SqlParameters = {}) =>
      statement(sql).iterate(parameters) as IterableIterator<Row>,
    run: (sql, parameters = {}) => statement(sql).run(parameters).changes,
    exec: (sql) => void database.exec(sql),
    pragma: (text) => database.pragma(text),
    inTransaction: () => database.inTransaction,
    close: () => void database.close(),
  };
}
