import { hash } from "node:crypto";
import { BrokerError } from "../../domain/errors.ts";
import type { UnixMicros } from "../../domain/time.ts";
import { packagedIn, readPackagedText } from "../../package/files.ts";
import type { Connection } from "./connection.ts";
import { refill } from "./rebuild.ts";

/** One numbered file of SQL, which is never changed once it has been applied anywhere. */
export type Migration = {
  readonly number: number;
  /** The file's name. */
  readonly name: string;
  readonly sha256: string;
  readonly sql: string;
  /** Whether the file creates tables anew, which are then filled from the events. */
  readonly rebuildsProjections: boolean;
};

/** What a long upgrade asks of its caller, and what it tells the caller. */
export type UpgradeWatch = {
  /** Bytes that may still be written on the ledger's disk. */
  readonly freeBytes: () => number;
  readonly progress: (progress: UpgradeProgress) => void;
};

/** What an upgrade tells of itself. */
export type UpgradeProgress =
  /** How many of all events have been projected anew. `diskBytes`: about how much room the upgrade takes meanwhile. */
  | { readonly done: number; readonly total: number; readonly diskBytes: number }
  /** Names of the migrations of which each was new to a ledger that was there before: last, and once they are all committed. */
  | { readonly applied: readonly string[] };

/** The folder lies beside `src` in a checkout and beside `dist` in the package, so this path fits both. */
const MIGRATIONS_URL = new URL("../../../migrations/sqlite/", import.meta.url);
const FILE_NAME = /^([0-9]{4})_[a-z0-9_]+\.sql$/;
/** How the first line of a file says that it makes tables anew. */
const REBUILDS_PROJECTIONS = "-- projections: rebuilt from the events";

const SQL = {
  createTable: `
    CREATE TABLE schema_migration (
      number        INTEGER PRIMARY KEY,
      name          TEXT NOT NULL,
      sha256        TEXT NOT NULL,
      applied_at_us INTEGER NOT NULL
    ) STRICT`,
  tables: "SELECT count(*) AS count, total(name = 'schema_migration') AS own FROM sqlite_schema WHERE type = 'table'",
  applied: "SELECT number, name, sha256 FROM schema_migration ORDER BY number",
  prunes: "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'pruned_range'",
  pruned: "SELECT 1 FROM pruned_range LIMIT 1",
  size: "SELECT page_count AS pages, page_size AS bytes FROM pragma_page_count, pragma_page_size",
  insert: `
    INSERT INTO schema_migration (number, name, sha256, applied_at_us) VALUES (@number, @name, @sha256, @appliedAt)`,
} as const;

/**
 * Room that an upgrade takes, in sizes of the database. Measured on ledgers of 20,000 and 300,000 events: 0.7 for the
 * write-ahead log, and 0.2 by which the database is longer once the log is copied. Doubled, for ledgers that hold other
 * things.
 */
const DISK_PER_DATABASE = 2;

type AppliedRow = { readonly number: number; readonly name: string; readonly sha256: string };

/** The migrations that belong to this program, in order: 1, 2, … without a gap. */
export function readMigrations(directory: URL = MIGRATIONS_URL): readonly Migration[] {
  const names = packagedIn(directory).filter((name) => FILE_NAME.test(name));
  return names.map((name, position) => {
    const number = Number(name.slice(0, 4));
    if (number !== position + 1) throw refusal(`${name}: expected number ${position + 1}`);
    const sql = readPackagedText(new URL(name, directory));
    const rebuildsProjections = sql.startsWith(REBUILDS_PROJECTIONS);
    return { number, name, sha256: hash("sha256", sql), sql, rebuildsProjections };
  });
}

/**
 * Brings a database to this program's schema, in one transaction: a migration that is cut short leaves the ledger as it
 * was.
 *
 * @throws BrokerError NOT_SERVING, naming the migration, when an applied migration was edited or is missing here, or
 *   was applied by a newer program and is unknown to this one; also when the database is not a ledger's, or the disk
 *   has no room for the upgrade
 */
export function migrate(
  db: Connection,
  migrations: readonly Migration[],
  now: UnixMicros,
  watch: UpgradeWatch = UNWATCHED,
): void {
  const { isNew, pending } = pendingOf(db, migrations);
  // Nothing is written where nothing changed: a full disk must not keep the broker from starting.
  if (pending.length === 0) return;

  const rebuilds = !isNew && pending.some(({ rebuildsProjections }) => rebuildsProjections);
  // A migration that comes after the first pruning moves rows by SQL: what they followed from is gone.
  if (rebuilds && isAnyPruned(db)) throw refusal("its tables can't be made anew from events that are pruned");
  const diskBytes = rebuilds ? diskNeeded(db, watch) : 0;
  // With foreign keys on, dropping a table looks through every table that refers to it, row by row, though those tables
  // are dropped as well.
  db.pragma("foreign_keys = OFF");
  db.exec("BEGIN IMMEDIATE");
  try {
    if (isNew) db.exec(SQL.createTable);
    for (const { number, name, sha256, sql } of pending) {
      db.exec(sql);
      db.run(SQL.insert, { number, name, sha256, appliedAt: now });
    }
    if (rebuilds) refill(db, (done, total) => watch.progress({ done, total, diskBytes }));
    if (db.get("PRAGMA foreign_key_check") !== undefined) throw refusal("a row refers to one that is not there");
    db.exec("COMMIT");
    if (!isNew) watch.progress({ applied: pending.map(({ name }) => name) });
  } catch (thrown) {
    if (db.inTransaction()) db.exec("ROLLBACK");
    throw thrown;
  } finally {
    db.pragma("foreign_keys = ON");
  }
}

function isAnyPruned(db: Connection): boolean {
  return db.get(SQL.prunes) !== undefined && db.get(SQL.pruned) !== undefined;
}

/**
 * What a database lacks of this program's schema.
 *
 * @throws BrokerError NOT_SERVING, as `migrate` does, when the database is not a ledger's or a newer program's
 */
export function pendingOf(
  db: Connection,
  migrations: readonly Migration[],
): { readonly isNew: boolean; readonly pending: readonly Migration[] } {
  const tables = db.get<{ readonly count: number; readonly own: number }>(SQL.tables);
  if (tables !== undefined && tables.count > 0 && tables.own === 0) throw refusal("the database is not a ledger's");
  const isNew = tables === undefined || tables.count === 0;
  const applied = isNew ? [] : db.all<AppliedRow>(SQL.applied);
  checkApplied(applied, migrations);
  return { isNew, pending: migrations.slice(applied.length) };
}

const UNWATCHED: UpgradeWatch = { freeBytes: () => Number.POSITIVE_INFINITY, progress: () => undefined };

/**
 * Bytes that an upgrade takes on the disk: the pages that the upgrade writes stay in the write-ahead log until it is
 * done, and most of these pages come on top of the database.
 */
function diskNeeded(db: Connection, { freeBytes }: UpgradeWatch): number {
  const { pages, bytes } = db.get<{ readonly pages: number; readonly bytes: number }>(SQL.size) ?? {
    pages: 0,
    bytes: 0,
  };
  const needed = DISK_PER_DATABASE * pages * bytes;
  if (freeBytes() < needed) {
    throw refusal(`the upgrade takes about ${mib(needed)} MiB of free disk space, and there are ${mib(freeBytes())}`);
  }
  return needed;
}

const mib = (bytes: number) => Math.ceil(bytes / 1024 / 1024);

function checkApplied(applied: readonly AppliedRow[], migrations: readonly Migration[]): void {
  for (const [position, row] of applied.entries()) {
    const known = migrations[position];
    if (known === undefined) throw refusal(newerVersion(row.name));
    if (known.name !== row.name) throw refusal(`${row.name} was applied and is missing in this version`);
    if (known.sha256 !== row.sha256) throw refusal(`${row.name} was changed after it had been applied`);
  }
}

/** What applied it has not left its own number: the migration is all that can be named. */
function newerVersion(name: string): string {
  return `${name} was applied by a newer version, and this one does not know it: run the newer one, or put back a backup of before the upgrade`;
}

function refusal(message: string): BrokerError {
  return new BrokerError("NOT_SERVING", `ledger migrations: ${message}`);
}
