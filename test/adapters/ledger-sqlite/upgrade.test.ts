import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { openReader, openWriter } from "../../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";
import { migrate, readMigrations, type UpgradeProgress } from "../../../src/adapters/ledger-sqlite/migrate.ts";
import { addSeconds, microsOf, type UnixSeconds } from "../../../src/domain/time.ts";
import { ports, worldOf } from "../../contract/ledger-world.ts";
import { allReads } from "./all-reads.ts";
import { openIn } from "./ledger-directory.ts";

// Goal: a ledger that an earlier version wrote is taken over whole, or not touched. `schema-4` is one of the version before the
// tables had content of their own: 628 events of every kind, written by eight callers at once, the last of them not yet out of the
// write-ahead log when the process was killed. `expected.json` is what that version answered.

const driver = await loadDriver();
const FIXTURE = new URL("schema-4/", import.meta.url);
const NOW = microsOf(addSeconds(1_795_341_600 as UnixSeconds, 1));
const EVENTS = 628;

let directory: string;
let database: string;
const expected = JSON.parse(fileOf("expected.json").toString()) as object;

function fileOf(name: string): Buffer {
  return brotliDecompressSync(readFileSync(new URL(`${name}.br`, FIXTURE)));
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "stint-upgrade-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  database = join(directory, "ledger.db");
  for (const name of readdirSync(FIXTURE)) {
    const file = name.replace(/\.br$/, "");
    writeFileSync(join(directory, file), fileOf(file));
  }
});

const schemaNow = () => {
  const db = openReader(driver, database);
  const { newest } = db.get<{ readonly newest: number }>("SELECT max(number) AS newest FROM schema_migration") ?? {};
  db.close();
  return newest;
};

/** Opens it as a daemon does. @returns what it answers */
async function opened() {
  const given = ports();
  given.clock.advance(1_000);
  const store = await openIn(directory, { given });
  try {
    return { verdict: store.verdict, finding: await store.verifyAll(), reads: asThen(await allReads(store, NOW)) };
  } finally {
    await store.close();
  }
}

type Reads = { readonly denied: readonly object[]; readonly receipts: readonly object[] };

/** Without the instants that are told since then, each of which there has to be. */
function asThen(reads: unknown): unknown {
  const { denied, receipts, ...others } = reads as Reads;
  const without = (name: string) => (row: object) => {
    const { [name]: instant, ...told } = row as Readonly<Record<string, unknown>>;
    expect(instant).toBeTypeOf("number");
    return told;
  };
  return { ...others, denied: denied.map(without("deniedAt")), receipts: receipts.map(without("at")) };
}

/** Of what that version knew nothing of, there is nothing. */
const SINCE_THEN = { callApprovals: [], exchanges: [], policySets: [], usage: [] };
const AS_IT_WAS = {
  verdict: { kind: "trusted" },
  finding: { kind: "intact" },
  reads: { ...expected, ...SINCE_THEN },
};

/** Changes the database behind the ledger's back. */
function tamper(sql: string): void {
  const db = openWriter(driver, database);
  db.exec(sql);
  db.close();
}

function upgrade(freeBytes = Number.POSITIVE_INFINITY): readonly UpgradeProgress[] {
  const told: UpgradeProgress[] = [];
  const db = openWriter(driver, database);
  try {
    migrate(db, readMigrations(), NOW, { freeBytes: () => freeBytes, progress: (one) => told.push(one) });
  } finally {
    db.close();
  }
  return told;
}

describe("a ledger of the version before", () => {
  test("is answered from just as that version answered, ends with the same head, and verifies", async () => {
    expect(schemaNow()).toBe(4);
    expect(await opened()).toEqual(AS_IT_WAS);
    expect(schemaNow()).toBe(readMigrations().length);
    // And once more, when there is nothing to be done.
    expect(await opened()).toEqual(AS_IT_WAS);
  });

  test("goes on where it ended", async () => {
    const given = ports();
    given.clock.advance(600_000);
    // Ids that the fixture does not have: it was written with the same randomness.
    for (let count = 0; count < 10_000; count += 1) given.randomness.bytes(8);
    const store = await openIn(directory, { given });
    const world = worldOf(store, given);
    const open = await world.openSteps();
    expect(open).toHaveLength(62);
    for (const step of open) await world.close(step, { state: "EXPIRED" });
    await world.close(await world.open(await world.agent()));
    expect(await store.verifyAll()).toEqual({ kind: "intact" });
    await store.close();
  });

  test("is told how far it is, how much room it takes at most while it is upgraded, and what was new to it", () => {
    const before = statSync(database).size + statSync(`${database}-wal`).size;
    const told = upgrade();
    const applied = readMigrations().slice(4);
    expect(told.at(-1)).toEqual({ applied: applied.map(({ name }) => name) });
    const last = told.flatMap((one) => ("done" in one ? [one] : [])).at(-1);
    expect(last).toMatchObject({ done: EVENTS, total: EVENTS });
    const { diskBytes = 0 } = last ?? {};
    expect(diskBytes).toBeGreaterThan(statSync(database).size - before);
  });

  test("is left as it is where there is no room for that, which is said", () => {
    expect(() => upgrade(1_024)).toThrow(
      expect.objectContaining({
        code: "NOT_SERVING",
        message: expect.stringMatching(/about \d+ MiB of free disk space/),
      }),
    );
    expect(schemaNow()).toBe(4);
  });

  test("is left as it is by a crash in the middle, and upgraded by the next start", async () => {
    const child = spawnSync(process.execPath, [new URL("upgrade-child.ts", import.meta.url).pathname, database]);
    expect([child.signal, child.stderr.toString()]).toEqual(["SIGKILL", ""]);
    expect(schemaNow()).toBe(4);
    expect(await opened()).toEqual(AS_IT_WAS);
  });

  test("is not opened by that version any more once it is upgraded", () => {
    upgrade();
    const db = openWriter(driver, database);
    onTestFinished(() => db.close());
    expect(() => migrate(db, readMigrations().slice(0, 4), NOW)).toThrow(
      expect.objectContaining({
        code: "NOT_SERVING",
        message: expect.stringContaining("0005_own_content.sql was applied by a newer version"),
      }),
    );
  });

  test.for([
    {
      what: "an event that was changed",
      sql: "UPDATE event SET canonical = CAST(replace(canonical, ':1', ':2') AS BLOB) WHERE sequence = 600",
    },
    { what: "an event that is missing", sql: "DELETE FROM event WHERE sequence = 627" },
    { what: "an end that was cut off", sql: "DELETE FROM event WHERE sequence > 600" },
  ])("is refused, and left as it is, with $what", async ({ sql }) => {
    tamper(`DROP TRIGGER event_is_never_changed; DROP TRIGGER event_is_never_deleted; ${sql}`);
    await expect(opened()).rejects.toMatchObject({ code: expect.stringMatching(/LEDGER_UNAVAILABLE|NOT_SERVING/) });
    expect(schemaNow()).toBe(4);
  });
});
