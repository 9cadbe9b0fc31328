import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, onTestFinished, test } from "vitest";
import { backUp } from "../../../src/adapters/ledger-sqlite/backup.ts";
import { openReader } from "../../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";
import { verifyAll } from "../../../src/adapters/ledger-sqlite/verify-all.ts";
import { openSqlite } from "../../contract/sqlite-ledger.ts";

async function filledLedger() {
  const ledger = await openSqlite();
  onTestFinished(ledger.close);
  const { world } = ledger;
  const step = await world.open(await world.agent());
  await Promise.all(Array.from({ length: 300 }, () => world.issue(step)));
  const paths = { from: join(ledger.directory, "ledger.db"), to: join(ledger.directory, "copy.db") };
  const known = { seen: world.ledger.head(), now: world.clock.now() };
  return { ...ledger, paths, known, driver: await loadDriver() };
}

describe("a copy of a ledger", () => {
  test("has all that was acknowledged before it, and what its tables say follows from its events", async () => {
    const { paths, known, driver, world } = await filledLedger();
    const shares: number[] = [];
    const copied = await backUp(driver, paths, known, (share) => shares.push(share));
    expect(copied.head).toEqual(world.ledger.head());
    expect(shares.length).toBeGreaterThan(0);
    expect(existsSync(`${paths.to}-wal`)).toBe(false);
    const db = openReader(driver, paths.to);
    onTestFinished(() => db.close());
    expect(verifyAll(driver, db)).toEqual({ kind: "intact" });
  });

  test("of what was there when it began is not disturbed by what is written meanwhile", async () => {
    const { paths, known, driver, world } = await filledLedger();
    let written: Promise<unknown> | undefined;
    const copied = await backUp(driver, paths, known, () => {
      written ??= world.agent();
    });
    await written;
    expect(written).toBeDefined();
    expect(copied.head.sequence).toBe(known.seen.sequence);
    expect(world.ledger.head().sequence).toBeGreaterThan(copied.head.sequence);
  });

  test.for([
    {
      damaged: "an event",
      sql: "UPDATE event SET canonical = CAST(canonical || ' ' AS BLOB) WHERE sequence = 3",
      says: "the event 3",
    },
    { damaged: "a leaf", sql: "UPDATE event SET leaf_hash = zeroblob(32) WHERE sequence = 5", says: "the event 5" },
    { damaged: "a stored node", sql: "UPDATE tree_node SET hash = zeroblob(32)", says: "a stored hash of the tree" },
    { damaged: "the head", sql: "UPDATE tree_head SET root_hash = zeroblob(32)", says: "the tree head" },
    {
      damaged: "a missing event",
      sql: "DELETE FROM event WHERE sequence = 7",
      says: "event",
    },
  ])("with $damaged that is another is refused, and removed", async ({ sql, says }) => {
    const { paths, known, driver, directory } = await filledLedger();
    const other = new Database(paths.from);
    other.exec(
      `PRAGMA foreign_keys = OFF; DROP TRIGGER event_is_never_changed; DROP TRIGGER event_is_never_deleted; ${sql}`,
    );
    other.close();
    await expect(backUp(driver, paths, known, () => undefined)).rejects.toMatchObject({
      code: "LEDGER_UNAVAILABLE",
      message: expect.stringContaining(says),
    });
    expect(readdirSync(directory).filter((name) => name.startsWith("copy"))).toEqual([]);
  });

  test("that does not continue what was acknowledged is refused", async () => {
    const { paths, known, driver } = await filledLedger();
    const seen = { ...known.seen, rootHash: new Uint8Array(32) };
    await expect(backUp(driver, paths, { ...known, seen }, () => undefined)).rejects.toMatchObject({
      message: expect.stringContaining("is not what was acknowledged"),
    });
  });

  test("is made one at a time, and what a killed process left of one is removed", async () => {
    const { world, directory } = await filledLedger();
    const { backups } = world.store;
    const first = backups.copy(() => undefined);
    await expect(backups.copy(() => undefined)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    const copy = await first;
    let bytes = 0;
    for await (const chunk of copy.read()) bytes += chunk.length;
    expect(bytes).toBe(copy.bytes);
    await copy.remove();
    writeFileSync(join(directory, "ledger.backup"), "half");
    const next = await backups.copy(() => undefined);
    expect(next.bytes).toBe(copy.bytes);
    await next.remove();
    expect(readdirSync(directory).filter((name) => name.includes("backup"))).toEqual([]);
  });
});
