import { hash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { BrokerError } from "../../domain/errors.ts";
import type { UnixMicros } from "../../domain/time.ts";
import type { Connection } from "./connection.ts";

/** One numbered file of SQL, which is never changed once it has been applied anywhere. */
export type Migration = {
  readonly number: number;
  /** The file's name. */
  readonly name: string;
  readonly sha256: string;
  readonly sql: string;
};

/** Beside `src` in a checkout and beside `dist` in the package, so equally far from here in both. */
const MIGRATIONS_URL = new URL("../../../migrations/sqlite/", import.meta.url);
const FILE_NAME = /^([0-9]{4})_[a-z0-9_]+\.sql$/;

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
  insert: `
    INSERT INTO schema_migration (number, name, sha256, applied_at_us) VALUES (@number, @name, @sha256, @appliedAt)`,
} as const;

type AppliedRow = { readonly number: number; readonly name: string; readonly sha256: string };

/** The migrations that belong to this program, in order: 1, 2, … without a gap. */
export function readMigrations(directory: URL = MIGRATIONS_URL): readonly Migration[] {
  const names = readdirSync(directory)
    .filter((name) => FILE_NAME.test(name))
    .sort();
  return names.map((name, position) => {
    const number = Number(name.slice(0, 4));
    if (number !== position + 1) throw refusal(`${name}: expected number ${position + 1}`);
    const sql = readFileSync(new URL(name, directory), "utf8");
    return { number, name, sha256: hash("sha256", sql), sql };
  });
}

/**
 * Brings a database to this program's schema, in one transaction.
 *
 * @throws BrokerError NOT_SERVING, naming the migration, when one that was applied was edited or is missing here, or a
 *   newer program applied one that this one does not know; also when the database is something else's.
 */
export function migrate(db: Connection, migrations: readonly Migration[], now: UnixMicros): void {
  const tables = db.get<{ readonly count: number; readonly own: number }>(SQL.tables);
  if (tables !== undefined && tables.count > 0 && tables.own === 0) throw refusal("the database is not a ledger's");
  const isNew = tables === undefined || tables.count === 0;
  const applied = isNew ? [] : db.all<AppliedRow>(SQL.applied);
  checkApplied(applied, migrations);
  const pending = migrations.slice(applied.length);
  // Nothing is written where nothing changed: a full disk must not keep the broker from starting.
  if (pending.length === 0) return;

  db.exec("BEGIN IMMEDIATE");
  try {
    if (isNew) db.exec(SQL.createTable);
    for (const { number, name, sha256, sql } of pending) {
      db.exec(sql);
      db.run(SQL.insert, { number, name, sha256, appliedAt: now });
    }
    db.exec("COMMIT");
  } catch (thrown) {
    if (db.inTransaction()) db.exec("ROLLBACK");
    throw thrown;
  }
}

function checkApplied(applied: readonly AppliedRow[], migrations: readonly Migration[]): void {
  for (const [position, row] of applied.entries()) {
    const known = migrations[position];
    if (known === undefined) throw refusal(`${row.name} was applied by a newer version and is unknown to this one`);
    if (known.name !== row.name) throw refusal(`${row.name} was applied and is missing in this version`);
    if (known.sha256 !== row.sha256) throw refusal(`${row.name} was changed after it had been applied`);
  }
}

function refusal(message: string): BrokerError {
  return new BrokerError("NOT_SERVING", `ledger migrations: ${message}`);
}
