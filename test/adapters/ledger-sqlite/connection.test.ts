import { join } from "node:path";
import { expect, test } from "vitest";
import { openReader, openWriter } from "../../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";
import { inDirectory } from "./ledger-directory.ts";

const driver = await loadDriver();

// No test here can cut the power, so what makes a commit durable is pinned instead.
test.for([
  { pragma: "journal_mode", value: "wal" },
  { pragma: "synchronous", value: 2 },
  { pragma: "foreign_keys", value: 1 },
  { pragma: "wal_autocheckpoint", value: 1_000 },
  { pragma: "temp_store", value: 2 },
  { pragma: "trusted_schema", value: 0 },
])("the writer's $pragma is $value", ({ pragma, value }) =>
  inDirectory(async (directory) => {
    const path = join(directory, "ledger.db");
    const first = openWriter(driver, path);
    first.exec("CREATE TABLE t (a INTEGER)");
    first.close();
    // The library has another default for a database that it finds with a write-ahead log.
    const db = openWriter(driver, path);
    expect(db.all("SELECT a FROM t")).toEqual([]);
    const [row] = db.pragma(pragma) as readonly Record<string, unknown>[];
    expect(Object.values(row ?? {})).toEqual([value]);
    db.close();
  }),
);

test("a reader can't write, and makes no database where there is none", () =>
  inDirectory(async (directory) => {
    const path = join(directory, "ledger.db");
    expect(() => openReader(driver, path)).toThrow("unable to open database file");
    const writer = openWriter(driver, path);
    writer.exec("CREATE TABLE t (a INTEGER)");
    const reader = openReader(driver, path);
    expect(reader.all("SELECT a FROM t")).toEqual([]);
    expect(() => reader.run("INSERT INTO t VALUES (1)")).toThrow("readonly");
    reader.close();
    writer.close();
  }));

test("values reach a statement as they are, whatever their type", () => {
  const db = openWriter(driver, ":memory:");
  const values = { text: "+1", integer: 9_007_199_254_740_991, bytes: Buffer.from([0, 255]), missing: null };
  const row = db.get<Record<string, unknown>>(
    "SELECT @text AS text, @integer AS integer, @bytes AS bytes, @missing AS missing",
    values,
  );
  expect(row).toEqual(values);
  db.close();
});
