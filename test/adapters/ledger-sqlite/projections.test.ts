import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Connection, openWriter } from "../../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";
import { openSqliteLedger } from "../../../src/adapters/ledger-sqlite/ledger-sqlite.ts";
import { readMigrations } from "../../../src/adapters/ledger-sqlite/migrate.ts";
import { rebuild, tableDigests } from "../../../src/adapters/ledger-sqlite/rebuild.ts";
import { verifyAll } from "../../../src/adapters/ledger-sqlite/verify-all.ts";
import { isClosed } from "../../../src/domain/step.ts";
import { microsOf } from "../../../src/domain/time.ts";
import { ports, present, worldOf } from "../../contract/ledger-world.ts";
import { commands, play } from "../../contract/random-acts.ts";
import { openMemoryLedger } from "../../memory/memory-ledger.ts";

const driver = await loadDriver();

// Goal: whatever is done to a ledger, its tables hold what its events say and nothing else.
// Method: fast-check draws a sequence of acts; afterwards the events are replayed into empty tables and both are compared.
test("replaying the events gives the same tables, whatever happened", async () => {
  await fc.assert(
    fc.asyncProperty(commands, async (sequence) => {
      const given = ports();
      const store = await openMemoryLedger(given);
      await play(worldOf(store, given), sequence);
      expect(await store.verifyAll()).toEqual({ kind: "intact" });
      await store.close();
    }),
    { numRuns: 40 },
  );
});

test("whatever happened, no open step has a closed ancestor or a barred principal, and nothing that was closed can still be presented", async () => {
  await fc.assert(
    fc.asyncProperty(commands, async (sequence) => {
      const given = ports();
      const store = await openMemoryLedger(given);
      const world = worldOf(store, given);
      const { steps, issuances } = await play(world, sequence);

      const now = new Map(
        await Promise.all(steps.map(async ({ stepId }) => [stepId, await world.step(stepId)] as const)),
      );
      for (const step of now.values()) {
        if (isClosed(step.state)) continue;
        const principal = await store.registry.principal(step.principal?.principalId ?? "");
        expect(principal?.offboardedAt).toBeUndefined();
        if (step.parentStepId === undefined) continue;
        expect(now.get(step.parentStepId)?.state).toBe("OPEN");
      }

      const { entries } = await world.denied(0, store.ledger.head().sequence);
      const denied = new Map(entries.map((one) => [Object.values(one.subject).at(1), one]));
      const rows = await store.history.issuances({ now: world.clock.now(), limit: 10_000 });
      expect(rows).toHaveLength(issuances.length);
      for (const row of rows) {
        const step = row.subject.kind === "step" ? present(now.get(row.subject.stepId)) : undefined;
        const isEnded = step?.closedAt !== undefined;
        // What had not expired when its step was closed is revoked, and the step is denied until it expires.
        if (isEnded && step.closedAt < microsOf(row.expiresAt)) expect(row.revokedAt).toBeDefined();
        if (isEnded) expect(denied.get(step.stepId)?.latestExpiry).toBeGreaterThanOrEqual(row.expiresAt);
        if (!isEnded && row.revokedAt !== undefined) {
          const entry = denied.get(row.jti ?? row.authorityId);
          expect(entry ?? denied.get(row.serialNumber)).toBeDefined();
        }
      }
      await store.close();
    }),
    { numRuns: 40 },
  );
});

async function withLedgerFile(work: (db: Connection) => void): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "stint-ledger-"));
  try {
    const given = ports();
    const checkpoints = { load: async () => [], save: async () => undefined };
    const failed = (error: unknown) => {
      throw error;
    };
    const limits = { reserveBytes: 0, diskFreeBytesMin: 0 };
    const store = await openSqliteLedger({ directory, checkpoints, ...given, ...limits, failed });
    // Of a few sequences the longest, since a short one leaves tables empty.
    const sequences = fc.sample(commands, { numRuns: 20, seed: 7 });
    const [longest] = sequences.toSorted((one, other) => other.length - one.length);
    await play(worldOf(store, given), present(longest));
    await store.close();
    const db = openWriter(driver, join(directory, "ledger.db"));
    try {
      work(db);
    } finally {
      db.close();
    }
  } finally {
    await rm(directory, { recursive: true });
  }
}

test("tables that were rebuilt in place are the same as before", () =>
  withLedgerFile((db) => {
    const before = tableDigests(db);
    db.exec("PRAGMA foreign_keys = OFF; DELETE FROM issuance; UPDATE step SET run_id = 'x'; PRAGMA foreign_keys = ON");
    expect(tableDigests(db)).not.toEqual(before);
    rebuild(db);
    expect(tableDigests(db)).toEqual(before);
    expect(verifyAll(driver, db)).toEqual({ kind: "intact" });
  }));

test.for([
  {
    table: "step",
    sql: "UPDATE step SET expires_at_s = expires_at_s + 1 WHERE sequence = (SELECT max(sequence) FROM step)",
  },
  { table: "issuance", sql: "DELETE FROM issuance WHERE sequence = (SELECT max(sequence) FROM issuance)" },
  { table: "revocation", sql: "DELETE FROM revocation" },
  { table: "call_approval", sql: "UPDATE call_approval SET until_s = until_s + 1" },
  { table: "run", sql: "UPDATE run SET barred_sequence = 1" },
  { table: "registration_entry", sql: "UPDATE registration_entry SET disabled = 1 - disabled" },
  { table: "registration_entry", sql: "UPDATE registration_entry SET open_steps = open_steps + 1" },
  { table: "step_event", sql: "DELETE FROM step_event WHERE step_sequence > 0" },
])("verification finds that the table $table was changed from outside: $sql", ({ table, sql }) =>
  withLedgerFile((db) => {
    db.exec(`PRAGMA foreign_keys = OFF; ${sql}`);
    const finding = verifyAll(driver, db);
    expect(finding).toEqual({
      kind: "damaged",
      reason: expect.stringMatching(
        `^the table ${table} is not what follows from the events: its row .+ (?:was changed|is missing)$`,
      ),
    });
  }),
);

test("an act of a kind that fails half-way leaves no trace, and those around it in its group stay", async () => {
  const given = ports();
  const store = await openMemoryLedger(given);
  const world = worldOf(store, given);
  const agent = await world.agent();
  const taken = await world.open(agent);
  const failing = world.openAct(agent, { stepId: taken.stepId });
  const [before, failed, after] = await Promise.allSettled([
    world.ledger.perform(world.openAct(agent)),
    // Its decision is written first, and then the step's id turns out not to be new.
    world.ledger.perform(failing),
    world.ledger.perform(world.openAct(agent)),
  ]);
  expect([before.status, failed.status, after.status]).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(failed).toMatchObject({ reason: { code: "INVALID_FIELD" } });
  expect(await store.history.decisions({ decisionId: failing.decision.decisionId, limit: 1 })).toEqual([]);
  expect(await store.verifyAll()).toEqual({ kind: "intact" });
  await store.close();
});

test("who opened steps before that was kept is found by an upgrade as the events give it", async () => {
  const filling = /INSERT INTO step_opener[^;]*;/.exec(
    readMigrations().find(({ name }) => name.endsWith("step_processes.sql"))?.sql ?? "",
  );
  await withLedgerFile((db) => {
    const before = tableDigests(db).get("step_opener");
    expect(db.all("SELECT process FROM step_opener")).not.toEqual([]);
    db.exec("DELETE FROM step_opener");
    expect(tableDigests(db).get("step_opener")).not.toBe(before);
    db.exec(filling?.[0] ?? "");
    expect(tableDigests(db).get("step_opener")).toBe(before);
  });
});
