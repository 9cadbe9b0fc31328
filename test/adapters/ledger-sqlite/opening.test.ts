import { cp, mkdtemp, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openWriter } from "../../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";
import { readBeside } from "../../../src/adapters/ledger-sqlite/read-beside.ts";
import type { BrokerError } from "../../../src/domain/errors.ts";
import type { CheckpointStore } from "../../../src/ports/checkpoint-store.ts";
import { OPERATOR, ports, type World } from "../../contract/ledger-world.ts";
import { inDirectory, inLedger, openIn } from "./ledger-directory.ts";

const driver = await loadDriver();
const nothing: CheckpointStore = { load: async () => [], save: async () => undefined };

/** Some steps, each with a credential. */
async function work(world: World, steps = 3): Promise<void> {
  const agent = await world.agent();
  for (let index = 0; index < steps; index += 1) await world.issue(await world.open(agent));
}

/** Changes the database behind the ledger's back. */
function tamper(directory: string, sql: string): void {
  const db = openWriter(driver, join(directory, "ledger.db"));
  db.exec(
    `PRAGMA foreign_keys = OFF; DROP TRIGGER event_is_never_changed; DROP TRIGGER event_is_never_deleted; ${sql}`,
  );
  db.close();
}

/** Files of a ledger with some work in it, to be copied. */
let worked: string;
beforeAll(async () => {
  worked = await mkdtemp(join(tmpdir(), "stint-ledger-worked-"));
  await inLedger(worked, (world) => work(world));
});
afterAll(() => rm(worked, { recursive: true }));

/** A directory of its own for each test, with that ledger in it. */
function inWorkedDirectory(test: (directory: string) => Promise<void>): Promise<void> {
  return inDirectory(async (directory) => {
    await cp(worked, directory, { recursive: true });
    await test(directory);
  });
}

test("what was recorded is there after reopening, and the log goes on where it ended", () =>
  inDirectory(async (directory) => {
    const given = ports();
    let head = {};
    let step = {};
    await inLedger(
      directory,
      async (world) => {
        step = await world.open(await world.agent());
        head = world.ledger.head();
      },
      { given },
    );
    await inLedger(
      directory,
      async (world) => {
        expect(world.store.verdict).toEqual({ kind: "trusted" });
        expect(world.ledger.head()).toEqual(head);
        expect(await world.step((step as { stepId: string }).stepId)).toEqual(step);
        await work(world);
        expect(await world.store.verifyAll()).toEqual({ kind: "intact" });
      },
      { given },
    );
  }));

test("its files are for its owner alone, and nothing of the write-ahead log is left behind", () =>
  inDirectory(async (directory) => {
    const store = await openIn(directory);
    for (const name of ["ledger.db", "ledger.db-wal", "ledger.lock", "ledger.reserve"]) {
      expect([name, ((await stat(join(directory, name))).mode & 0o777).toString(8)]).toEqual([name, "600"]);
    }
    await store.close();
    expect((await readdir(directory)).filter((name) => name !== "checkpoint.key").toSorted()).toEqual([
      "checkpoint",
      "ledger.db",
      "ledger.lock",
      "ledger.reserve",
    ]);
  }));

test("a second ledger on the same directory is refused, and the first goes on", () =>
  inDirectory(async (directory) => {
    await inLedger(directory, async (world) => {
      await expect(openIn(directory)).rejects.toMatchObject({
        code: "NOT_SERVING",
        message: "another broker is running on this data directory",
      });
      await work(world);
    });
    await (await openIn(directory)).close();
  }));

test("an end does not wait for a long read, which is told so, and nothing can be read afterwards", () =>
  inWorkedDirectory(async (directory) => {
    const store = await openIn(directory);
    const reading = Promise.allSettled(Array.from({ length: 200 }, () => store.verifyAll()));
    await store.close();
    const refused = (await reading).filter((one) => one.status === "rejected");
    expect(refused.length).toBeGreaterThan(0);
    // One is cut short, and those that waited for it never begin.
    const codes = new Set(refused.map(({ reason }) => (reason as BrokerError).code));
    expect(["LEDGER_UNAVAILABLE", "NOT_SERVING"]).toEqual(expect.arrayContaining([...codes]));
    await expect(store.history.events({ limit: 1 })).rejects.toMatchObject({ code: "NOT_SERVING" });
  }));

test("entries can be read beside a running ledger, after it, and not before it was there", () =>
  inDirectory(async (directory) => {
    expect(await readBeside(directory)).toBeUndefined();
    await inLedger(directory, async (world) => {
      const agent = await world.agent();
      expect(await readBeside(directory)).toEqual({ schema: "current", entries: [agent], authorities: [] });
    });
    expect((await readBeside(directory))?.entries).toHaveLength(1);
  }));

test.for([
  {
    name: "an event's bytes were changed",
    sql: "UPDATE event SET canonical = x'7b207d' WHERE sequence = 4",
    says: "the event 4 is not the one that was hashed",
  },
  {
    name: "an event was made to look pruned",
    sql: "UPDATE event SET canonical = x'7b7d' WHERE sequence = 4",
    says: "what the event 4 says is missing",
  },
  { name: "an event was taken out", sql: "DELETE FROM event WHERE sequence = 4", says: "the event 4 is missing" },
  {
    name: "the last event was taken out",
    sql: "DELETE FROM event WHERE sequence = (SELECT max(sequence) FROM event)",
    says: "the tree head counts",
  },
  {
    name: "an event's row says something else than its bytes",
    sql: "UPDATE event SET type = 'run.barred' WHERE sequence = 4",
    says: "the row of event 4 contradicts its bytes",
  },
  {
    name: "an event was put in",
    sql: "INSERT INTO event SELECT sequence + 1, type, recorded_at_us, leaf_hash, canonical FROM event ORDER BY sequence DESC LIMIT 1",
    says: "the tree head counts",
  },
  {
    name: "the tree head was changed",
    sql: "UPDATE tree_head SET root_hash = zeroblob(32)",
    says: "the tree head is not that of the events",
  },
  { name: "the tree head is gone", sql: "DELETE FROM tree_head", says: "the tree head counts 0 events" },
  {
    name: "the tree head can't be",
    sql: "UPDATE tree_head SET frontier = x''",
    says: "the tree head is not that of the events",
  },
  {
    name: "the epoch was changed",
    sql: "UPDATE tree_head SET epoch = 'other'",
    says: "the tree head names another epoch",
  },
  {
    name: "a row breaks a rule of its table",
    sql: "PRAGMA ignore_check_constraints = ON; UPDATE step SET held = 7",
    says: "its pages contradict each other",
  },
])("a ledger is refused when $name", ({ sql, says }) =>
  inWorkedDirectory(async (directory) => {
    tamper(directory, sql);
    await expect(openIn(directory)).rejects.toMatchObject({
      code: "LEDGER_UNAVAILABLE",
      message: expect.stringContaining(says),
    });
  }),
);

test("a refused ledger is left as it was found: once it is mended it opens", () =>
  inWorkedDirectory(async (directory) => {
    tamper(directory, "UPDATE tree_head SET tree_size = tree_size + 1");
    await expect(openIn(directory)).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
    const db = openWriter(driver, join(directory, "ledger.db"));
    db.exec("UPDATE tree_head SET tree_size = tree_size - 1");
    db.close();
    await inLedger(directory, async (world) => expect(world.store.verdict).toEqual({ kind: "trusted" }));
  }));

test.for([
  {
    name: "is something else",
    change: (path: string) => writeFile(path, "this is no database, and long enough to be seen as none"),
  },
  { name: "is cut in the middle", change: async (path: string) => truncate(path, 20_000) },
])("a ledger whose file $name is refused, and its path is not in the message", ({ change }) =>
  inWorkedDirectory(async (directory) => {
    await change(join(directory, "ledger.db"));
    const opening = openIn(directory);
    await expect(opening).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
    await expect(opening).rejects.not.toMatchObject({ message: expect.stringContaining(directory) });
  }),
);

test("a ledger that was put back in time is not trusted until its head is accepted, and shows it at every start", () =>
  inDirectory(async (directory) => {
    const given = ports();
    const path = join(directory, "ledger.db");
    await inLedger(directory, (world) => work(world), { given });
    await cp(path, `${path}.backup`);
    await inLedger(directory, (world) => work(world), { given });
    await cp(`${path}.backup`, path);

    for (let start = 0; start < 2; start += 1) {
      await inLedger(
        directory,
        async (world) => {
          const { sequence } = world.ledger.head();
          expect(world.store.verdict).toMatchObject({
            kind: "rolled-back",
            reason: expect.stringContaining("it ends at"),
          });
          // What takes authority away goes on; and goes on to show that it went back.
          await world.close({ kind: "run", runId: `run-${start}` }, { state: "REVOKED" });
          expect(world.ledger.head().sequence).toBe(sequence + 1);
        },
        { given },
      );
    }

    await inLedger(
      directory,
      async (world) => {
        expect(world.store.verdict.kind).toBe("rolled-back");
        const now = world.clock.now();
        await world.ledger.perform({ act: "start-epoch", epoch: "epoch-2", reason: "restored", by: OPERATOR, now });
        await world.store.trustHead();
      },
      { given },
    );
    await inLedger(directory, async (world) => expect(world.store.verdict).toEqual({ kind: "trusted" }), { given });
  }));

test("a ledger that grew again past where it was seen is still found to be another", () =>
  inDirectory(async (directory) => {
    const given = ports();
    const path = join(directory, "ledger.db");
    await inLedger(directory, (world) => work(world, 1), { given });
    await cp(path, `${path}.backup`);
    await inLedger(directory, (world) => work(world, 1), { given });
    await cp(`${path}.backup`, path);
    // Without the checkpoint, as a broker that was told not to look would have.
    await inLedger(directory, (world) => work(world, 20), { given, checkpoints: nothing });
    await inLedger(
      directory,
      async (world) =>
        expect(world.store.verdict).toMatchObject({
          kind: "rolled-back",
          reason: expect.stringContaining("it is not what was acknowledged"),
        }),
      { given },
    );
  }));

test.for([
  { name: "was removed", change: (directory: string) => rm(join(directory, "ledger.db")), reason: "epoch" },
  {
    name: "lies beside a checkpoint that is none",
    change: (directory: string) => writeFile(join(directory, "checkpoint"), "x"),
    reason: "can't be believed",
  },
])("a ledger that $name is not trusted", ({ change, reason }) =>
  inWorkedDirectory(async (directory) => {
    await change(directory);
    const store = await openIn(directory);
    expect(store.verdict).toMatchObject({ kind: "rolled-back", reason: expect.stringContaining(reason) });
    await store.close();
  }),
);

test("the tree of a long log is verified from its stored subtrees, and a wrong one is found", () =>
  inDirectory(async (directory) => {
    await inLedger(directory, async (world) => {
      const agent = await world.agent();
      const step = await world.open(agent);
      // Past 11,000 events, so that a start does not read the first of them.
      for (let part = 0; part < 50; part += 1) {
        const records = Array.from({ length: 230 }, () => world.record(step));
        await world.ledger.perform(world.issueAct(records, { entryId: agent.entryId }));
      }
    });
    const store = await openIn(directory);
    expect(store.ledger.head().sequence).toBeGreaterThan(11_000);
    expect(await store.verifyAll()).toEqual({ kind: "intact" });
    await store.close();

    tamper(directory, "UPDATE event SET canonical = x'7b207d' WHERE sequence = 4");
    const unaware = await openIn(directory);
    expect(await unaware.verifyAll()).toEqual({
      kind: "damaged",
      reason: "the event 4 is not the one that was hashed",
    });
    await unaware.close();
    const db = openWriter(driver, join(directory, "ledger.db"));
    // Of the part that a start reads again, and of the part before it.
    const cases = [
      { index: 40, says: "a stored hash of the tree is not that of its events" },
      { index: 0, says: "the tree head is not that of the events" },
    ];
    for (const { index, says } of cases) {
      const at = { index };
      const where = "level = 8 AND node_index = @index";
      const hash = db.get<{ hash: Uint8Array }>(`SELECT hash FROM tree_node WHERE ${where}`, at)?.hash ?? "";
      db.run(`UPDATE tree_node SET hash = zeroblob(32) WHERE ${where}`, at);
      await expect(openIn(directory)).rejects.toMatchObject({ message: expect.stringContaining(says) });
      db.run(`UPDATE tree_node SET hash = @hash WHERE ${where}`, { ...at, hash });
    }
    db.close();
  }));

test("whoever asks for the history is answered while everything is being verified", () =>
  inWorkedDirectory((directory) =>
    inLedger(directory, async (world) => {
      await work(world, 500);
      const { history } = world.store;
      const preview = () => history.preview({ kind: "run", runId: "none" }, world.clock.now());
      await preview();
      const ended: string[] = [];
      const verified = world.store.verifyAll().then(() => ended.push("verified"));
      const previewed = preview().then(() => ended.push("previewed"));
      await Promise.all([verified, previewed]);
      expect(ended).toEqual(["previewed", "verified"]);
    }),
  ));
