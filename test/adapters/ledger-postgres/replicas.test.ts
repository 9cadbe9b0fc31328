import { truncateSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { openReader } from "../../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";
import { tableDigests } from "../../../src/adapters/ledger-sqlite/rebuild.ts";
import { testWithPostgres as test } from "../../postgres/server.ts";
import { cutoffsAt } from "../../samples/cutoffs.ts";
import { caughtUp, type Replica, servedLogs } from "./replicas.ts";

// Goal: brokers that share one log are one ledger. Each rules by its own tables, and no two of them ever differ.

const { inScene } = servedLogs();
const driver = await loadDriver();

function tablesOf({ directory }: Replica): ReadonlyMap<string, string> {
  const db = openReader(driver, join(directory, "ledger.db"));
  try {
    return tableDigests(db);
  } finally {
    db.close();
  }
}

test("what one records is in the tables of the other, whose followers are told of it in order", () =>
  inScene(async ({ open }) => {
    const [a, b] = [await open(), await open()];
    expect(b.world.ledger.head()).toEqual(a.world.ledger.head());
    const { committed } = b.world.follow();
    const agent = await a.world.agent();
    const step = await a.world.open(agent);
    const { issuanceId } = await a.world.issue(step);
    await caughtUp(b, a);
    const types = ["entry.put", "decision.made", "step.opened", "issuance.recorded"];
    expect(committed.map(({ event }) => event.type)).toEqual(types);
    expect(committed.map(({ sequence }) => sequence)).toEqual([2, 3, 4, 5]);
    expect(await b.world.step(step.stepId)).toMatchObject({ stepId: step.stepId, state: "OPEN" });
    const listed = await b.world.store.history.issuances({ limit: 10, now: b.world.clock.now() });
    expect(listed).toMatchObject([{ issuanceId }]);
    expect(tablesOf(b)).toEqual(tablesOf(a));
  }));

test("what was closed at one is refused by the other at once, whether the other was told of it or not", () =>
  inScene(async ({ open }) => {
    const [a, b] = [await open(), await open()];
    const agent = await a.world.agent();
    for (let round = 0; round < 30; round += 1) {
      const step = await a.world.open(agent);
      await a.world.close(step);
      const act = b.world.issueAct([b.world.record(step)], { entryId: agent.entryId });
      const [outcome] = await b.world.ledger.perform(act);
      expect(outcome).toMatchObject({ code: "STEP_CLOSED" });
    }
  }));

test("acts of three at once: sequences are dense, all have one tree, and every replica's tables are the log's", () =>
  inScene(async ({ open, query }) => {
    const replicas = [await open(), await open(), await open()];
    const entries = await Promise.all(replicas.map(({ world }) => world.agent()));
    await Promise.all(
      replicas.flatMap(({ world }, place) =>
        Array.from({ length: 8 }, async () => {
          const entry = entries[place];
          if (entry === undefined) throw new Error("no entry");
          for (let count = 0; count < 5; count += 1) {
            const step = await world.open(entry);
            await Promise.all([world.issue(step), world.issue(step)]);
            await world.close(step);
          }
        }),
      ),
    );
    const [last] = replicas;
    if (last === undefined) throw new Error("no replica");
    await last.world.agent();
    for (const replica of replicas) await caughtUp(replica, last);
    const [row] = await query("SELECT count(*)::int AS count, max(sequence)::int AS newest FROM stint.event");
    // Per step: a decision, the opening, two issuances, the close.
    const events = 1 + 4 + 3 * 8 * 5 * 5;
    expect(row).toEqual({ count: events, newest: events });
    const heads = replicas.map(({ world }) => world.ledger.head());
    expect(heads).toEqual(heads.map(() => heads[0]));
    for (const replica of replicas) {
      expect(await replica.world.store.verifyAll()).toEqual({ kind: "intact" });
      expect(tablesOf(replica)).toEqual(tablesOf(last));
    }
  }));

test("two that begin together begin one epoch", () =>
  inScene(async ({ open, query }) => {
    const [a, b] = await Promise.all([open(), open()]);
    expect(a.world.ledger.head().epoch).toBe(b.world.ledger.head().epoch);
    expect(await query("SELECT count(*)::int AS count FROM stint.event")).toEqual([{ count: 1 }]);
  }));

test("one that comes later, or comes back, has all that was recorded meanwhile", () =>
  inScene(async ({ open }) => {
    const [a, b] = [await open(), await open()];
    const agent = await a.world.agent();
    await caughtUp(b, a);
    await b.close();
    for (let count = 0; count < 20; count += 1) await a.world.issue(await a.world.open(agent));
    const [back, late] = [await open({ directory: b.directory }), await open()];
    expect(back.world.ledger.head()).toEqual(a.world.ledger.head());
    expect(tablesOf(back)).toEqual(tablesOf(a));
    expect(tablesOf(late)).toEqual(tablesOf(a));
    expect(back.world.store.verdict).toEqual({ kind: "trusted" });
  }));

test("tables that are damaged are made anew", () =>
  inScene(async ({ open }) => {
    const [a, b] = [await open(), await open()];
    await a.world.issue(await a.world.open(await a.world.agent()));
    await caughtUp(b, a);
    await b.close();
    truncateSync(join(b.directory, "ledger.db"), 8_192);
    const back = await open({ directory: b.directory });
    expect(tablesOf(back)).toEqual(tablesOf(a));
    expect(await back.world.store.verifyAll()).toEqual({ kind: "intact" });
  }));

test("what one prunes is pruned in the log and everywhere, and one that was away meanwhile begins from the snapshot", () =>
  inScene(async ({ open, query }) => {
    const [a, b, away] = [await open(), await open(), await open()];
    const agent = await a.world.agent();
    await caughtUp(away, a);
    await away.close();
    const over = await a.world.open(agent);
    await a.world.issue(over);
    await a.world.close(over);
    await a.world.open(agent);
    a.world.clock.advance(1_000_000);
    expect((await a.world.store.retention.takeSnapshot()).kind).toBe("taken");
    expect(await a.world.store.retention.prune(cutoffsAt(a.world.clock.now()))).toBeGreaterThan(2);
    await caughtUp(b, a);
    const [back, late] = [await open({ directory: away.directory }), await open()];
    for (const replica of [b, back, late]) {
      expect(tablesOf(replica)).toEqual(tablesOf(a));
      expect(await replica.world.store.verifyAll()).toEqual({ kind: "intact" });
    }
    const pruned = await query("SELECT count(*)::int AS count FROM stint.event WHERE canonical IS NULL");
    expect(pruned).toEqual([{ count: (await a.world.store.retention.standing()).prunedEvents }]);
    await late.world.issue(await late.world.open(agent));
    await caughtUp(a, late);
    expect(tablesOf(a)).toEqual(tablesOf(late));
  }));
