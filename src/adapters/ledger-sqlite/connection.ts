import { closeSync, existsSync, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";
import type BetterSqlite3 from "better-sqlite3";
import type { Driver } from "./driver.ts";

export type SqlValue = string | number | null | Uint8Array;
export type SqlParameters = Readonly<Record<string, SqlValue>>;

/** A database connection that prepares each statement once. Rows are named by the caller, as the SQL names its columns. */
export type Connection = {
  get<Row>(sql: string, parameters?: SqlParameters): Row | undefined;
  all<Row>(sql: string, parameters?: SqlParameters): readonly Row[];
  iterate<Row>(sql: string, parameters?: SqlParameters): IterableIterator<Row>;
  /** Returns how many rows it changed. */
  run(sql: string, parameters?: SqlParameters): number;
  /** Several statements at once, unprepared. */
  exec(sql: string): void;
  pragma(text: string): unknown;
  inTransaction(): boolean;
  close(): void;
};

/** A foreign process that holds the database for longer is not waited for. */
const BUSY_TIMEOUT_MS = 2_000;
/** One checkpoint in so many pages: fewer would make commits wait more often, more would make the waits longer. */
export const WAL_AUTOCHECKPOINT_PAGES = 1_000;
/** After a long read has kept the write-ahead log from being reused, it shrinks back to this. */
const WAL_BYTES_MAX = 64 * 1024 * 1024;
/** The writer's pages are those of the newest events and of the open steps, again and again. */
const WRITER_CACHE_KIB = 64 * 1024;
const READER_CACHE_KIB = 16 * 1024;

/**
 * Opens the one writing connection. A commit returns only after fsync: the library's own default for write-ahead logging
 * would not wait for it, and could lose what was acknowledged.
 */
export function openWriter(driver: Driver, path: string): Connection {
  if (path !== ":memory:") createPrivately(path);
  const database = new driver(path, { timeout: BUSY_TIMEOUT_MS });
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  database.pragma(`wal_autocheckpoint = ${WAL_AUTOCHECKPOINT_PAGES}`);
  database.pragma(`journal_size_limit = ${WAL_BYTES_MAX}`);
  prepareSession(database, WRITER_CACHE_KIB);
  return connectionOf(database);
}

/** Opens a connection that can only read. What it reads may be a commit behind. */
export function openReader(driver: Driver, path: string): Connection {
  const database = new driver(path, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  prepareSession(database, READER_CACHE_KIB);
  return connectionOf(database);
}

/** Opens a database that is gone when it is closed; what does not fit into memory goes into a temporary file. */
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

/** SQLite would create it readable for all; its companion files take over the mode of the database. */
export function createPrivately(path: string): void {
  if (existsSync(path)) return;
  closeSync(openSync(path, "a", 0o600));
  syncDirectory(dirname(path));
}

/** A new file is there after a power cut only once its directory has been written too. */
function syncDirectory(path: string): void {
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
    // planner might like to look at. Behind a plus, which changes nothing else, it can't.
    const made = database.prepare<SqlParameters[]>(sql.replaceAll("@", "+@"));
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
