import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { openWriter } from "../../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";
import { migrate, readMigrations } from "../../../src/adapters/ledger-sqlite/migrate.ts";
import type { UnixMicros } from "../../../src/domain/time.ts";

const driver = await loadDriver();
const NOW = 1_795_341_600_000_000 as UnixMicros;
const FIRST = "CREATE TABLE one (a INTEGER) STRICT";
const SECOND = "CREATE TABLE two (b INTEGER) STRICT";

/** Migrations as files of these names and contents. */
async function migrationsOf(files: Readonly<Record<string, string>>) {
  const directory = await mkdtemp(join(tmpdir(), "stint-migrations-"));
  try {
    for (const [name, sql] of Object.entries(files)) await writeFile(join(directory, name), sql);
    return readMigrations(pathToFileURL(`${directory}/`));
  } finally {
    await rm(directory, { recursive: true });
  }
}

const tablesOf = (db: ReturnType<typeof openWriter>) =>
  db.all<{ name: string }>("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").map((row) => row.name);

test("a new database gets every migration, and a later program only what is new to it", async () => {
  const db = openWriter(driver, ":memory:");
  migrate(db, await migrationsOf({ "0001_one.sql": FIRST }), NOW);
  migrate(db, await migrationsOf({ "0001_one.sql": FIRST, "0002_two.sql": SECOND }), NOW);
  expect(tablesOf(db)).toEqual(["one", "schema_migration", "two"]);
  expect(db.all("SELECT number, name, applied_at_us FROM schema_migration")).toEqual([
    { number: 1, name: "0001_one.sql", applied_at_us: NOW },
    { number: 2, name: "0002_two.sql", applied_at_us: NOW },
  ]);
  db.close();
});

test.for([
  {
    name: "was edited",
    files: { "0001_one.sql": `${FIRST} `, "0002_two.sql": SECOND },
    names: "0001_one.sql was changed",
  },
  {
    name: "is missing",
    files: { "0001_one.sql": FIRST, "0002_other.sql": SECOND },
    names: "0002_two.sql was applied and is missing",
  },
  {
    name: "is newer than this program",
    files: { "0001_one.sql": FIRST },
    names:
      "0002_two.sql was applied by a newer version, and this one does not know it: run the newer one, or put back a backup",
  },
])("a database with a migration that $name is refused, naming it", async ({ files, names }) => {
  const db = openWriter(driver, ":memory:");
  migrate(db, await migrationsOf({ "0001_one.sql": FIRST, "0002_two.sql": SECOND }), NOW);
  const migrations = await migrationsOf(files);
  const refused = expect.objectContaining({ code: "NOT_SERVING", message: expect.stringContaining(names) });
  expect(() => migrate(db, migrations, NOW)).toThrow(refused);
  db.close();
});

test("migrations are numbered without a gap", async () => {
  const files = { "0001_one.sql": FIRST, "0003_three.sql": SECOND };
  await expect(migrationsOf(files)).rejects.toThrow("0003_three.sql: expected number 2");
});

test("a migration that fails takes those before it along: there is no half of a schema", async () => {
  const db = openWriter(driver, ":memory:");
  const migrations = await migrationsOf({ "0001_one.sql": FIRST, "0002_two.sql": `${SECOND}; SELECT nonsense` });
  expect(() => migrate(db, migrations, NOW)).toThrow("nonsense");
  expect(tablesOf(db)).toEqual([]);
  db.close();
});

test("a database of something else is left alone", () => {
  const db = openWriter(driver, ":memory:");
  db.exec("CREATE TABLE mails (a INTEGER)");
  expect(() => migrate(db, readMigrations(), NOW)).toThrow(expect.objectContaining({ code: "NOT_SERVING" }));
  expect(tablesOf(db)).toEqual(["mails"]);
  db.close();
});

function ledgerDatabase() {
  const db = openWriter(driver, ":memory:");
  migrate(db, readMigrations(), NOW);
  return db;
}

// Others read the database with tools of their own, and later migrations build on it.
test("the tables of the ledger are pinned", () => {
  const db = ledgerDatabase();
  expect(tablesOf(db)).toEqual([
    "authority",
    "backup_mark",
    "call_approval",
    "call_count",
    "closure",
    "decision",
    "delegation_token",
    "enrolled_process",
    "epoch",
    "event",
    "event_stream",
    "exchange",
    "fact",
    "fact_connection",
    "fact_pair",
    "fact_shared",
    "federation",
    "issuance",
    "join_token",
    "legal_hold",
    "policies_in_force",
    "policy",
    "policy_set",
    "policy_set_member",
    "principal",
    "pruned_range",
    "receipt",
    "recorded_minute",
    "registration_entry",
    "revocation",
    "risk",
    "run",
    "schema_migration",
    "snapshot",
    "snapshot_chunk",
    "spent_evidence",
    "status_list",
    "step",
    "step_event",
    "step_opener",
    "tool",
    "tool_definition",
    "tree_head",
    "tree_node",
    "usage",
    "usage_gap",
  ]);
  db.close();
});

// SQLite can't change a CHECK: with every word that is new the whole table would have to be written anew.
test("no row is checked against a list of words", () => {
  const db = ledgerDatabase();
  const tables = db.all<{ readonly sql: string }>("SELECT sql FROM sqlite_schema WHERE type = 'table'");
  const lists = tables.flatMap(({ sql }) => sql.match(/(?:IN \(|= )'[^']*'/g) ?? []);
  expect(lists).toEqual([]);
  db.close();
});

test("the log can't be changed by a statement that means to", () => {
  const db = ledgerDatabase();
  db.exec(`INSERT INTO event (sequence, type, recorded_at_us, leaf_hash, canonical)
           VALUES (1, 'epoch.started', 1, zeroblob(32), x'7b7d')`);
  expect(() => db.exec("UPDATE event SET type = 'x'")).toThrow("events are never changed");
  expect(() => db.exec("DELETE FROM event")).toThrow("events are never deleted");
  db.close();
});
