import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { openReader } from "../../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";
import { PROJECTIONS } from "../../../src/adapters/ledger-sqlite/projections.ts";
import { openStandbyLedger } from "../../../src/adapters/ledger-sqlite/standby-ledger.ts";
import { verifyAll } from "../../../src/adapters/ledger-sqlite/verify-all.ts";
import { cutoffsOf } from "../../../src/audit/retention.ts";
import { RETENTION_CLASSES } from "../../../src/domain/retention.ts";
import type { OpenedLedger } from "../../../src/ports/ledger.ts";
import type { FollowedPage, StandbyCopy, StandbyLedger } from "../../../src/ports/standby.ts";
import { ports, type World } from "../../contract/ledger-world.ts";
import { commands, play } from "../../contract/random-acts.ts";
import { openSqlite } from "../../contract/sqlite-ledger.ts";
import { inDirectory, inLedger, openIn } from "./ledger-directory.ts";

const driver = await loadDriver();
const WANTED = new AbortController().signal;
const NOW = () => ports().clock.now();

/** A backup as it comes from a broker. */
async function backupOf({ backups }: OpenedLedger): Promise<StandbyCopy> {
  const copy = await backups.copy(() => undefined);
  async function* chunks() {
    yield* copy.read();
    await copy.remove();
  }
  return { chunks: chunks(), facts: () => copy };
}

/** Takes over all that a ledger has, as its broker streams it. */
async function follow(standby: StandbyLedger, { log }: OpenedLedger, limit = 7): Promise<void> {
  for (let after = standby.head()?.sequence ?? 0; ; ) {
    const { snapshotThrough, ...page } = await log.logPage(after, limit);
    for (let index = 0; snapshotThrough !== undefined; ) {
      const chunks = await log.snapshotChunks(snapshotThrough, index);
      if (chunks.length === 0) break;
      for (const content of chunks) standby.keepChunk({ through: snapshotThrough, index: index++, content });
    }
    standby.take(page);
    after = page.head.sequence;
    if (after === page.newest) return;
  }
}

/** A ledger with some events, and a directory for a copy of it. */
async function scene() {
  const primary = await openSqlite();
  onTestFinished(primary.close);
  const step = await primary.world.open(await primary.world.agent());
  await primary.world.issue(step);
  const directory = join(primary.directory, "standby");
  mkdirSync(directory);
  const standby = await openStandbyLedger(directory, NOW);
  onTestFinished(() => standby.close());
  return { ...primary, standby, step, at: directory };
}

const TABLES = [...PROJECTIONS, "event", "tree_head", "tree_node", "recorded_minute", "snapshot_chunk"];

function rowsIn(directory: string): Readonly<Record<string, unknown>> {
  const db = openReader(driver, join(directory, "ledger.db"));
  try {
    return Object.fromEntries(TABLES.map((table) => [table, db.all(`SELECT * FROM ${table} ORDER BY 1, 2`)]));
  } finally {
    db.close();
  }
}

function findingIn(directory: string) {
  const db = openReader(driver, join(directory, "ledger.db"));
  try {
    return verifyAll(driver, db);
  } finally {
    db.close();
  }
}

test("whatever is recorded, a copy that follows it has the same events, tree and tables", {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(commands, fc.integer({ min: 1, max: 40 }), async (sequence, limit) => {
      await inDirectory(async (directory) => {
        await inDirectory(async (at) => {
          const standby = await openStandbyLedger(at, NOW);
          await inLedger(directory, async (world) => {
            await play(world, sequence, async () => standby.replace(await backupOf(world.store), WANTED));
            await follow(standby, world.store, limit);
            expect(standby.head()).toEqual(world.ledger.head());
            expect(rowsIn(at)).toEqual(rowsIn(directory));
          });
          standby.close();
          expect(findingIn(at)).toEqual({ kind: "intact" });
        });
      });
    }),
    { numRuns: 8, endOnFailure: true },
  );
});

describe("a copy", () => {
  test("is there from the first whole one on, and goes on where it was after a restart", async () => {
    const { world, standby, at } = await scene();
    expect(standby.head()).toBeUndefined();
    expect(() => standby.take({} as FollowedPage)).toThrow("no whole copy");
    await standby.replace(await backupOf(world.store), WANTED);
    await world.agent();
    await follow(standby, world.store);
    expect(readdirSync(at).filter((name) => name.includes("copy"))).toEqual([]);
    standby.close();
    const again = await openStandbyLedger(at, NOW);
    expect(again.head()).toEqual(world.ledger.head());
    await world.agent();
    await follow(again, world.store);
    expect(again.head()).toEqual(world.ledger.head());
    again.close();
  });

  test("is one process's at a time", async () => {
    const { at } = await scene();
    await expect(openStandbyLedger(at, NOW)).rejects.toMatchObject({ code: "NOT_SERVING" });
  });

  test("says of itself that it went back in time, however far it has followed, and past epochs of its primary", async () => {
    const { world, standby, at } = await scene();
    await standby.replace(await backupOf(world.store), WANTED);
    const by = { kind: "broker", cause: "restore" } as const;
    const epoch = { act: "start-epoch", epoch: "epoch_9", reason: "accepted", by, now: world.clock.now() } as const;
    await world.ledger.perform(epoch);
    await world.agent();
    await follow(standby, world.store);
    expect(standby.head()).toEqual(world.ledger.head());
    standby.close();
    const opened = await openIn(at);
    onTestFinished(() => opened.close());
    expect(opened.verdict).toMatchObject({ kind: "rolled-back", reason: expect.stringContaining("it is a backup of") });
  });

  test("that is another than what the primary verified is refused, and what was there stays", async () => {
    const { world, standby } = await scene();
    await standby.replace(await backupOf(world.store), WANTED);
    const before = standby.head();
    const { chunks, facts } = await backupOf(world.store);
    async function* flipped() {
      for await (const chunk of chunks) yield chunk.map((byte, index) => (index === 100 ? byte ^ 1 : byte));
    }
    await expect(standby.replace({ chunks: flipped(), facts }, WANTED)).rejects.toMatchObject({
      code: "LEDGER_UNAVAILABLE",
    });
    expect(standby.head()).toEqual(before);
    const whole = await backupOf(world.store);
    const other = { chunks: whole.chunks, facts: () => ({ ...whole.facts(), sha256: "00" }) };
    await expect(standby.replace(other, WANTED)).rejects.toThrow("not what the primary verified");
    await follow(standby, world.store);
  });

  test("whose verification is given up is not put in the place of what is there", async () => {
    const { world, standby, at } = await scene();
    const given = new AbortController();
    const copy = await backupOf(world.store);
    const facts = () => {
      setImmediate(() => given.abort());
      return copy.facts();
    };
    await expect(standby.replace({ chunks: copy.chunks, facts }, given.signal)).rejects.toThrow("was given up");
    expect(standby.head()).toBeUndefined();
    expect(readdirSync(at).filter((name) => name.includes("copy"))).toEqual([]);
  });

  test("of another ledger, or of the same before what the copy has, is refused", async () => {
    const { world, standby } = await scene();
    const older = await world.store.backups.copy(() => undefined);
    const bytes: Uint8Array[] = [];
    for await (const chunk of older.read()) bytes.push(new Uint8Array(chunk));
    await older.remove();
    await world.agent();
    await standby.replace(await backupOf(world.store), WANTED);
    async function* kept() {
      yield* bytes;
    }
    const other = await openSqlite();
    onTestFinished(other.close);
    for (let index = 0; index < 20; index += 1) await other.world.agent();
    const copies: StandbyCopy[] = [{ chunks: kept(), facts: () => older }, await backupOf(other.world.store)];
    for (const copy of copies) {
      await expect(standby.replace(copy, WANTED)).rejects.toMatchObject({
        message: expect.stringContaining("back in time"),
      });
    }
    expect(standby.head()).toEqual(world.ledger.head());
  });
});

describe("a page", () => {
  async function followed() {
    const given = await scene();
    await given.standby.replace(await backupOf(given.world.store), WANTED);
    const after = given.world.ledger.head().sequence;
    for (let index = 0; index < 3; index += 1) await given.world.agent();
    return { ...given, after, page: await given.world.store.log.logPage(after, 100) };
  }

  type Page = Awaited<ReturnType<typeof followed>>["page"];
  const changedAt = (index: number) => (page: Page) => ({
    ...page,
    events: page.events.map((event, at) => {
      if (at !== index) return event;
      return Buffer.from(Buffer.from(event).toString().replace("entry_", "entrx_"));
    }),
  });

  test.for([
    { why: "with a changed event", tamper: changedAt(0) },
    { why: "with another's last event", tamper: changedAt(2) },
    { why: "without its first event", tamper: (page: Page) => ({ ...page, events: page.events.slice(1) }) },
    { why: "without its last event", tamper: (page: Page) => ({ ...page, events: page.events.slice(0, -1) }) },
    { why: "in another order", tamper: (page: Page) => ({ ...page, events: page.events.toReversed() }) },
    {
      why: "with an event twice",
      tamper: (page: Page) => ({ ...page, events: [...page.events, ...page.events.slice(-1)] }),
    },
    {
      why: "with what is no event",
      tamper: (page: Page) => ({ ...page, events: [...page.events.slice(0, 2), Buffer.from("{")] }),
    },
    {
      why: "of another root",
      tamper: (page: Page) => ({ ...page, head: { ...page.head, rootHash: new Uint8Array(32) } }),
    },
    { why: "of another epoch", tamper: (page: Page) => ({ ...page, head: { ...page.head, epoch: "epoch_x" } }) },
  ])("$why leaves no trace, and the true one is taken after it", async ({ tamper }) => {
    const { standby, page, after, world, at } = await followed();
    expect(() => standby.take(tamper(page))).toThrow(/the ledger is damaged/);
    expect(standby.head()?.sequence).toBe(after);
    standby.take(page);
    expect(standby.head()).toEqual(world.ledger.head());
    standby.close();
    expect(findingIn(at)).toEqual({ kind: "intact" });
  });

  test("of a primary that went back, or back and on, is refused before any event of it is taken", async () => {
    const { standby, world, page } = await followed();
    standby.take(page);
    const own = world.ledger.head();
    const without = { ...page, events: [] };
    const shorter = { ...own, sequence: own.sequence - 1 };
    expect(() => standby.take({ ...without, head: shorter })).toThrow(/went back in time.*it ends at event/);
    const forked = { ...own, rootHash: new Uint8Array(32) };
    expect(() => standby.take({ ...without, head: forked })).toThrow(/went back in time.*up to event/);
    standby.take({ ...without, head: own });
  });

  test("of a newer version is refused: what its events say may be unknown here", async () => {
    const { standby, page } = await followed();
    expect(() => standby.take({ ...page, schema: page.schema + 1 })).toThrow("newer version");
    standby.take(page);
  });
});

describe("a ledger that is pruned", () => {
  async function prune({ store, clock }: World): Promise<number> {
    clock.advance(1_000_000);
    await store.retention.takeSnapshot();
    const times = Object.fromEntries(RETENTION_CLASSES.map((name) => [name, 1]));
    return store.retention.prune(cutoffsOf(times, clock.now()));
  }

  test("is followed through snapshots and pruning, and the copy can be rebuilt from what it has", async () => {
    const { world, standby, step, at, directory } = await scene();
    await standby.replace(await backupOf(world.store), WANTED);
    await world.close(step);
    await follow(standby, world.store);
    expect(await prune(world)).toBeGreaterThan(0);
    await follow(standby, world.store);
    const next = await world.open(await world.agent());
    await world.close(next);
    await follow(standby, world.store);
    expect(await prune(world)).toBeGreaterThan(0);
    await follow(standby, world.store);
    expect(standby.head()).toEqual(world.ledger.head());
    expect(rowsIn(at)).toEqual(rowsIn(directory));
    standby.close();
    expect(findingIn(at)).toEqual({ kind: "intact" });
  });

  test("tells a copy that lacks what was pruned, or whose snapshot is gone, that it is too old", async () => {
    const { world, standby, step } = await scene();
    await standby.replace(await backupOf(world.store), WANTED);
    const late = await world.open(await world.agent());
    await world.close(late);
    await world.close(step);
    await prune(world);
    await expect(follow(standby, world.store)).rejects.toMatchObject({ code: "PRUNED" });
    await standby.replace(await backupOf(world.store), WANTED);
    expect(standby.head()).toEqual(world.ledger.head());
    await world.agent();
    await world.store.retention.takeSnapshot();
    await world.agent();
    await world.store.retention.takeSnapshot();
    await expect(follow(standby, world.store)).rejects.toMatchObject({ code: "PRUNED" });
  });

  test("is not followed with parts of a snapshot that are others", async () => {
    const { world, standby } = await scene();
    await standby.replace(await backupOf(world.store), WANTED);
    await world.store.retention.takeSnapshot();
    const { snapshotThrough: through = 0, ...page } = await world.store.log.logPage(standby.head()?.sequence ?? 0, 100);
    const [content = new Uint8Array()] = await world.store.log.snapshotChunks(through, 0);
    expect(() => standby.take(page)).toThrow("the snapshot is not the one");
    standby.keepChunk({ through, index: 0, content: content.slice(1) });
    expect(() => standby.take(page)).toThrow("the snapshot is not the one");
    await follow(standby, world.store);
    expect(standby.head()).toEqual(world.ledger.head());
  });
});
