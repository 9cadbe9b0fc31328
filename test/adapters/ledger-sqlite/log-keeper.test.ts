import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { type Connection, openMover, openReader, openWriter } from "../../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";
import { createLogKeeper, moveLog } from "../../../src/adapters/ledger-sqlite/log-keeper.ts";
import { openSqlite } from "../../contract/sqlite-ledger.ts";

const MIB = 1_048_576;
const driver = await loadDriver();

const sizeOf = (db: Connection) =>
  db.all<{ readonly log: number; readonly checkpointed: number }>("PRAGMA wal_checkpoint(NOOP)")[0] ?? {
    log: Number.NaN,
    checkpointed: Number.NaN,
  };

/** A database that is written to, whose log another connection moves when it is let. */
function scene() {
  const directory = mkdtempSync(join(tmpdir(), "stint-log-"));
  const path = join(directory, "db");
  const writer = openWriter(driver, path);
  writer.pragma("wal_autocheckpoint = 0");
  writer.exec("CREATE TABLE page (number INTEGER PRIMARY KEY, content BLOB)");
  const other = openMover(driver, path);
  let isMoving = false;
  const keeper = createLogKeeper(writer, `${path}-wal`, {
    isMoving: () => isMoving,
    begin: () => {
      isMoving = true;
    },
  });
  let row = 0;
  let reader: Connection | undefined;
  return {
    writer,
    logBytes: () => statSync(`${path}-wal`).size,
    /** Commits that write about so many pages each; gives how many pages the longest was followed by the move of. */
    write(commits: number, pages: number): number {
      let most = 0;
      for (let commit = 0; commit < commits; commit += 1) {
        writer.exec("BEGIN");
        for (let page = 0; page < pages; page += 1) {
          row = (row + 1) % 20_000;
          writer.run("INSERT OR REPLACE INTO page VALUES (@row, zeroblob(4000))", { row });
        }
        writer.exec("COMMIT");
        const before = sizeOf(writer);
        keeper.committed();
        const after = sizeOf(writer);
        most = Math.max(most, after.checkpointed - before.checkpointed);
      }
      return most;
    },
    read() {
      reader ??= openReader(driver, path);
      reader.exec("BEGIN");
      reader.all("SELECT count(*) FROM page");
    },
    letGo() {
      reader?.exec("COMMIT");
    },
    move() {
      if (isMoving) moveLog(other);
      isMoving = false;
    },
    close() {
      for (const db of [reader, other, writer]) db?.close();
      rmSync(directory, { recursive: true });
    },
  };
}

test("whoever reads for how long: between two commits no more than a commit's worth of the log is moved", () => {
  const acts = fc.oneof(
    fc.record({
      act: fc.constant("write" as const),
      commits: fc.integer({ min: 1, max: 30 }),
      pages: fc.integer({ min: 1, max: 150 }),
    }),
    fc.record({ act: fc.constantFrom("read" as const, "letGo" as const, "move" as const) }),
  );
  fc.assert(
    fc.property(fc.array(acts, { minLength: 10, maxLength: 40 }), (all) => {
      const { write, read, letGo, move, close, writer } = scene();
      let isRead = false;
      try {
        for (const one of all) {
          if (one.act === "write") expect(write(one.commits, one.pages)).toBeLessThanOrEqual(256);
          else if (one.act === "read" && !isRead) read();
          else if (one.act === "letGo" && isRead) letGo();
          else if (one.act === "move") move();
          if (one.act === "read") isRead = true;
          if (one.act === "letGo") isRead = false;
        }
        if (isRead) letGo();
        // Nobody reads any more, and the mover keeps up: the log begins anew, however long it had become.
        for (let round = 0; round < 100 && sizeOf(writer).log > 4_096 + 512; round += 1) {
          write(4, 40);
          move();
        }
        expect(sizeOf(writer).log).toBeLessThanOrEqual(4_096 + 512);
      } finally {
        close();
      }
    }),
    { numRuns: 15 },
  );
});

test("a log that a long read made long becomes shorter again, a little with each time that it begins anew", () => {
  const { write, read, letGo, move, logBytes, close } = scene();
  onTestFinished(close);
  write(10, 100);
  read();
  write(300, 100);
  const long = logBytes();
  expect(long).toBeGreaterThan(100 * MIB);
  letGo();
  let [bytes, cut] = [long, 0];
  for (let round = 0; round < 2_000 && bytes > 65 * MIB; round += 1) {
    write(4, 40);
    move();
    const now = logBytes();
    cut = Math.max(cut, bytes - now);
    bytes = now;
  }
  expect(bytes).toBeLessThanOrEqual(65 * MIB);
  // What was written since it was last looked at is more.
  expect(cut).toBeLessThanOrEqual(18 * MIB);
});

test("a ledger moves its log by a thread of its own, and closes with it", async () => {
  const ledger = await openSqlite();
  const { world, directory } = ledger;
  const db = openReader(driver, join(directory, "ledger.db"));
  const agent = await world.agent();
  const step = await world.open(agent);
  let longest = 0;
  // Until the log began anew: without a mover it never would.
  for (let commits = 0; commits < 20_000; commits += 1) {
    await Promise.all(Array.from({ length: 64 }, () => world.issue(step)));
    const { log } = sizeOf(db);
    if (log < longest) break;
    longest = log;
  }
  expect(sizeOf(db).log).toBeLessThan(longest);
  expect(longest).toBeGreaterThanOrEqual(4_096);
  expect(await world.store.verifyAll()).toEqual({ kind: "intact" });
  db.close();
  await ledger.close();
});
