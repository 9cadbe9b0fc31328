import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Connection, openWriter } from "../../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";
import { type Migration, migrate, readMigrations } from "../../../src/adapters/ledger-sqlite/migrate.ts";
import { tableDigests } from "../../../src/adapters/ledger-sqlite/rebuild.ts";
import { rebuildAlone } from "../../../src/adapters/ledger-sqlite/rebuild-alone.ts";
import { isPruned, type StoredEvent } from "../../../src/adapters/ledger-sqlite/tables/event-table.ts";
import { verifyAll } from "../../../src/adapters/ledger-sqlite/verify-all.ts";
import type { LedgerEvent } from "../../../src/domain/ledger-event.ts";
import { concernsOf } from "../../../src/domain/retention.ts";
import type { UnixMicros } from "../../../src/domain/time.ts";
import { ports, type World } from "../../contract/ledger-world.ts";
import { commands, play } from "../../contract/random-acts.ts";
import { cutoffsAt } from "../../samples/cutoffs.ts";
import { allReads } from "./all-reads.ts";
import { inDirectory, inLedger } from "./ledger-directory.ts";

// Goal: what is over and held by nobody is deleted from the log, nothing else is, and everything that was provable stays so.

const driver = await loadDriver();

function inDatabase<T>(directory: string, work: (db: Connection) => T): T {
  const db = openWriter(driver, join(directory, "ledger.db"));
  try {
    return work(db);
  } finally {
    db.close();
  }
}

const eventsOf = (db: Connection) =>
  db.all<StoredEvent>("SELECT *, leaf_hash AS leafHash FROM event ORDER BY sequence");

/** Prunes all that is over now. */
async function pruneNow({ store, clock }: World): Promise<number> {
  expect((await store.retention.takeSnapshot()).kind).not.toBe("damaged");
  return store.retention.prune(cutoffsAt(clock.now()));
}

test("whatever happened: a pruned ledger is intact, answers as it did, and is rebuilt from its snapshot", {
  timeout: 240_000,
}, async () => {
  let pruned = 0;
  await fc.assert(
    fc.asyncProperty(commands, commands, async (before, after) => {
      await inDirectory(async (directory) => {
        const given = ports();
        await inLedger(
          directory,
          async (world) => {
            await play(world, before);
            world.clock.advance(1_000_000);
            const hashes = inDatabase(directory, (db) => eventsOf(db).map(({ leafHash }) => leafHash));
            const answers = (await allReads(world.store, world.clock.now())) as { head: unknown };
            pruned += await pruneNow(world);
            expect(await allReads(world.store, world.clock.now())).toEqual({ ...answers, head: expect.anything() });
            expect(inDatabase(directory, (db) => eventsOf(db).slice(0, hashes.length)).map((e) => e.leafHash)).toEqual(
              hashes,
            );
            expect(await world.store.verifyAll()).toEqual({ kind: "intact" });
            await play(world, after);
            world.clock.advance(1_000_000);
            pruned += await pruneNow(world);
            await play(world, after);
            expect(await world.store.verifyAll()).toEqual({ kind: "intact" });
          },
          { given },
        );
        const digests = inDatabase(directory, tableDigests);
        await rebuildAlone(directory, () => undefined);
        expect(inDatabase(directory, tableDigests)).toEqual(digests);
      });
    }),
    { numRuns: 4, endOnFailure: true },
  );
  expect(pruned).toBeGreaterThan(50);
});

/** One closed step with credentials, and one that is open; both of runs, an agent and principals of their own. */
async function twoSteps(world: World) {
  const [mine, other] = [await world.agent(), await world.agent()];
  const principal = { principalId: "a".repeat(64), sealed: "key.1" };
  const over = await world.open(mine, { principal });
  const alive = await world.open(other);
  await Promise.all([world.issue(over), world.issue(over), world.issue(alive)]);
  await world.close(over);
  return { over, alive, principal };
}

async function inOneLedger(work: (world: World, directory: string) => Promise<void>): Promise<void> {
  await inDirectory(async (directory) => inLedger(directory, (world) => work(world, directory), { given: ports() }));
}

/** Leaves a ledger of two steps behind, of which what the one that is over left is pruned. */
async function prunedLedgerIn(directory: string): Promise<void> {
  await inLedger(
    directory,
    async (world) => {
      await twoSteps(world);
      world.clock.advance(1_000_000);
      expect(await pruneNow(world)).toBe(5);
    },
    { given: ports() },
  );
}

function prunedTypes(directory: string): readonly string[] {
  return inDatabase(directory, (db) =>
    eventsOf(db)
      .filter(({ canonical }) => isPruned(canonical))
      .map(({ type }) => type),
  );
}

describe("what is pruned", () => {
  test("is what a step left that is over, once its credentials are too, and nothing of one that is open", async () => {
    await inOneLedger(async (world, directory) => {
      const { alive } = await twoSteps(world);
      await world.store.retention.takeSnapshot();
      expect(await world.store.retention.prune(cutoffsAt(world.clock.now()))).toBe(0);
      world.clock.advance(1_000_000);
      expect(await world.store.retention.prune(cutoffsAt(world.clock.now()))).toBeGreaterThan(0);
      expect(prunedTypes(directory).toSorted()).toEqual([
        "decision.made",
        "issuance.recorded",
        "issuance.recorded",
        "step.closed",
        "step.opened",
      ]);
      const said = inDatabase(directory, eventsOf).filter(({ canonical }) => !isPruned(canonical));
      const steps = said.flatMap(({ canonical }) => {
        const event = JSON.parse(Buffer.from(canonical).toString("utf8")) as LedgerEvent;
        return concernsOf(event)?.things.flatMap(({ kind, id }) => (kind === "step" ? [id] : [])) ?? [];
      });
      expect(new Set(steps)).toEqual(new Set([alive.stepId]));
    });
  });

  test("is nothing of a class that has no time", async () => {
    await inOneLedger(async (world, directory) => {
      await twoSteps(world);
      world.clock.advance(1_000_000);
      await world.store.retention.takeSnapshot();
      await world.store.retention.prune({ decisions: world.clock.now() });
      expect(prunedTypes(directory)).toEqual(["decision.made"]);
    });
  });

  test("is nothing that is newer than the snapshot, and nothing without one", async () => {
    await inOneLedger(async (world) => {
      await twoSteps(world);
      world.clock.advance(1_000_000);
      expect(await world.store.retention.prune(cutoffsAt(world.clock.now()))).toBe(0);
    });
  });

  test.for(["run", "agent", "principal"] as const)(
    "is nothing of a %s that is held, until the hold is lifted",
    async (scope) => {
      await inOneLedger(async (world) => {
        const { over, principal } = await twoSteps(world);
        const value = { run: over.runId, agent: over.agent, principal: principal.principalId }[scope];
        const hold = { holdId: "hold_1", scope, value };
        const by = { reason: "a lawsuit", by: { kind: "operator", entryId: "entry_operator", uid: 0 } } as const;
        await world.ledger.perform({ act: "place-hold", hold, ...by, now: world.clock.now() });
        const again = { ...hold, holdId: "hold_2" };
        expect(await world.ledger.perform({ act: "place-hold", hold: again, ...by, now: world.clock.now() })).toEqual({
          sequence: 0,
          holdId: "hold_1",
        });
        world.clock.advance(1_000_000);
        expect(await pruneNow(world)).toBe(0);
        expect((await world.store.retention.standing()).holds).toMatchObject([{ ...hold, reason: "a lawsuit" }]);
        await world.ledger.perform({ act: "lift-hold", holdId: "hold_1", ...by, now: world.clock.now() });
        expect(await pruneNow(world)).toBe(5);
        expect((await world.store.retention.standing()).holds).toEqual([]);
      });
    },
  );
});

test("what is pruned is answered as pruned, with its hash, and never as missing", async () => {
  await inOneLedger(async (world, directory) => {
    const { over } = await twoSteps(world);
    world.clock.advance(1_000_000);
    await pruneNow(world);
    const events = inDatabase(directory, eventsOf);
    const gone = events.find(({ canonical }) => isPruned(canonical));
    if (gone === undefined) throw new Error("nothing is pruned");
    const { sequence } = gone;
    const leafHash = Buffer.from(gone.leafHash).toString("hex");
    const { tree, history, exports } = world.store;
    const refusal = { code: "PRUNED", metadata: { sequence: String(sequence), leaf_hash: leafHash } };
    await expect(tree.inclusion(sequence, events.length)).rejects.toMatchObject(refusal);
    const width = events.length % 256;
    await expect(tree.tile({ level: "entries", index: 0, width })).rejects.toMatchObject(refusal);
    expect((await tree.tile({ level: 0, index: 0, width })).length).toBe(width * 32);
    const [row] = (await history.events({ limit: 1, before: sequence + 1 })).map(({ canonical, leafHash: leaf }) => ({
      bytes: canonical.length,
      leaf: Buffer.from(leaf).toString("hex"),
    }));
    expect(row).toEqual({ bytes: 0, leaf: leafHash });
    const [through, now] = [events.length, world.clock.now()];
    const records = await exports.exportedRecords({ after: 0, end: through + 1, limit: 100, through, now });
    const digests = records.filter(({ decision }) => decision.stepId === over.stepId).map(({ event }) => event);
    expect(digests).toEqual([{ rfc6962leaf: expect.stringMatching(/^[0-9a-f]{64}$/) }]);
    expect((await history.issuances({ now: world.clock.now(), limit: 10 })).length).toBe(3);
  });
});

describe("a pruned ledger from outside", () => {
  /** A ledger with what is over pruned, changed as `sql` says, and verified. */
  async function findingAfter(sql: string): Promise<string> {
    let reason = "";
    await inDirectory(async (directory) => {
      await prunedLedgerIn(directory);
      reason = inDatabase(directory, (db) => {
        db.exec(`DROP TRIGGER event_is_never_changed; PRAGMA foreign_keys = OFF; ${sql}`);
        const finding = verifyAll(driver, db);
        return finding.kind === "damaged" ? finding.reason : "intact";
      });
    });
    return reason;
  }

  const PRUNED = "(SELECT min(first_sequence) FROM pruned_range)";
  const SAID = "(SELECT min(sequence) FROM event WHERE length(canonical) > 2 AND sequence > 1)";
  test.for([
    { changed: "nothing", sql: "", says: "intact" },
    {
      changed: "an instant",
      sql: `UPDATE event SET recorded_at_us = 1 WHERE sequence = ${PRUNED}`,
      says: "what is left of the events",
    },
    {
      changed: "a type",
      sql: `UPDATE event SET type = 'x' WHERE sequence = ${PRUNED}`,
      says: "what is left of the events",
    },
    {
      changed: "a leaf",
      sql: `UPDATE event SET leaf_hash = zeroblob(32) WHERE sequence = ${PRUNED}`,
      says: "snapshot",
    },
    {
      changed: "another event",
      sql: `UPDATE event SET canonical = CAST('{}' AS BLOB) WHERE sequence = ${SAID}`,
      says: "says is missing",
    },
    {
      changed: "a chunk",
      sql: "UPDATE snapshot_chunk SET content = zeroblob(9) WHERE chunk_index = 0",
      says: "its snapshot is not",
    },
    { changed: "no chunk", sql: "DELETE FROM snapshot_chunk WHERE chunk_index = 0", says: "its snapshot is not" },
    { changed: "the root of the snapshot", sql: "UPDATE snapshot SET root_hash = 'aa'", says: "its snapshot is not" },
    { changed: "no snapshot", sql: "DELETE FROM snapshot", says: "no snapshot has seen" },
    { changed: "a range", sql: "UPDATE pruned_range SET last_sequence = last_sequence + 1", says: "pruned_range" },
    {
      changed: "a row of a step",
      sql: "UPDATE step SET purpose = 'x' WHERE sequence = (SELECT min(sequence) FROM step)",
      says: "the table step",
    },
  ])("where $changed was changed, says so", async ({ sql, says }) => {
    expect(await findingAfter(sql)).toContain(says);
  });

  test("keeps what events say that no snapshot has, by SQLite itself", async () => {
    await inOneLedger(async (world, directory) => {
      await twoSteps(world);
      const doing = (sql: string) => () => inDatabase(directory, (db) => db.exec(sql));
      const cut = "UPDATE event SET canonical = CAST('{}' AS BLOB) WHERE sequence = 2";
      expect(doing("DELETE FROM event WHERE sequence = 2")).toThrow(/never deleted/);
      expect(doing(cut)).toThrow(/never changed/);
      await world.store.retention.takeSnapshot();
      expect(doing(cut)).toThrow(/never changed/);
      const { through } = (await world.store.retention.standing()).snapshot ?? { through: 0 };
      expect(doing(`DELETE FROM event WHERE sequence = ${through + 1}`)).toThrow(/never deleted/);
    });
  });
});

test("a migration that makes tables anew is refused by a pruned ledger, and says why", async () => {
  await inDirectory(async (directory) => {
    await prunedLedgerIn(directory);
    const known = readMigrations();
    const number = known.length + 1;
    const next: Migration = { number, name: "x.sql", sha256: "", sql: "", rebuildsProjections: true };
    inDatabase(directory, (db) => {
      expect(() => migrate(db, [...known, next], 0 as UnixMicros)).toThrow(/pruned/);
    });
  });
});

test("a snapshot is taken once of what is there, and the chunks of the one before are gone", async () => {
  await inOneLedger(async (world, directory) => {
    await twoSteps(world);
    const first = await world.store.retention.takeSnapshot();
    expect(first).toMatchObject({ kind: "taken" });
    expect(await world.store.retention.takeSnapshot()).toEqual({ kind: "as-new" });
    await world.agent();
    const second = await world.store.retention.takeSnapshot();
    if (second.kind !== "taken") throw new Error(second.kind);
    const kept = inDatabase(directory, (db) =>
      db.all(
        "SELECT DISTINCT through_sequence AS through, max(chunk_index) + 1 AS chunks, max(length(content)) <= 65535 AS fits FROM snapshot_chunk",
      ),
    );
    expect(kept).toEqual([{ through: second.through, chunks: second.chunks, fits: 1 }]);
  });
});
