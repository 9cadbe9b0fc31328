import process from "node:process";
import { Client } from "pg";
import { expect } from "vitest";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { type Postgres, testWithPostgres as test } from "../postgres/server.ts";
import { amountOf } from "./amounts.ts";
import { fakeClock, LIBRARY } from "./daemon-fake-clock.ts";
import { startLoad } from "./daemon-load.ts";
import { READY, readiness, restarted, sessionWith } from "./daemon-scene.ts";
import { expectRecorded, ledgerBook } from "./recorded-load.ts";
import { startReplicas } from "./replica-scene.ts";

// Goal: whatever becomes of the database, who can't tell refuses; afterwards all goes on, and every credential that anybody received has
// its row. Method: real servers, stopped, crashed, filled and put back, under clients that journal what they receive.

/** Of a step that any process may execute. */
const opening = (runId: string) => ({
  ...{ runId, step: "look-up", agent: "worker" },
  executor: { executor: { case: "any" as const, value: {} } },
});
const UNAVAILABLE = { reason: "LEDGER_UNAVAILABLE" };

const crashes = amountOf("STINT_DATABASE_CRASHES", { quick: 1, full: 50 });

test(`a database that crashed ${crashes} times under load has lost nothing that was answered`, {
  timeout: 60_000 + crashes * 20_000,
}, async () => {
  const { server, daemons } = await startReplicas(["a", "b"]);
  const loads = daemons.map((daemon) => startLoad(daemon, 2));
  try {
    for (let crash = 0; crash < crashes; crash += 1) {
      const before = loads.map((load) => load.received().closed.length);
      for (const [index, load] of loads.entries()) {
        await eventually(() => load.received().closed.length).toBeGreaterThan(before[index] ?? 0);
      }
      await server.restart();
      for (const daemon of daemons) await eventually(() => readiness(daemon)).toEqual(READY);
    }
    for (const load of loads) await load.stop();
    for (const daemon of daemons) {
      const book = ledgerBook();
      const session = sessionWith(daemon);
      await book.read(session);
      for (const load of loads) expectRecorded(load.received(), book);
      expect((await session.operator.ledger.get({})).suspendedBecause).toEqual([]);
    }
    const received = loads.reduce((sum, load) => sum + load.received().credentials.length, 0);
    process.stdout.write(`crashed ${crashes} times: ${received} credentials received\n`);
  } finally {
    for (const load of loads) await load[Symbol.asyncDispose]();
  }
});

test("a failover to a standby that was behind stops both brokers, until an operator accepts what is left", {
  timeout: 180_000,
}, async () => {
  const { server, daemons } = await startReplicas(["a", "b"]);
  const [first, second] = daemons;
  if (first === undefined || second === undefined) throw new Error("no daemon");
  const [a, b] = [sessionWith(first), sessionWith(second)];
  const failOver = await server.standby();
  for (const daemon of daemons) await eventually(() => readiness(daemon)).toEqual(READY);
  const lost = await a.steps.open(opening("lost"));
  const { openedSequence } = lost.step ?? { openedSequence: 0n };
  expect(openedSequence).toBeGreaterThan(0n);
  // Who has not been told yet of what is lost can't know that it is.
  await eventually(async () => (await b.operator.ledger.get({})).sequence).toBeGreaterThanOrEqual(openedSequence);
  await failOver();
  for (const { steps } of [a, b]) await expect(steps.open(opening("after"))).rejects.toMatchObject(UNAVAILABLE);
  for (const daemon of daemons) {
    await eventually(async () => JSON.stringify(await readiness(daemon))).toContain("went back in time");
  }
  await first.stop();
  const again = await restarted(first);
  const session = sessionWith(again);
  const { suspendedBecause } = await session.operator.ledger.get({});
  expect(suspendedBecause.join()).toMatch(/went back in time/);
  await session.operator.ledger.acceptRestore({ reason: "a standby that was behind" });
  await eventually(() => readiness(again)).toEqual(READY);
  await session.steps.open(opening("accepted"));
  // What was accepted at one is accepted: the other goes on with its next start.
  await second.stop();
  const back = await restarted(second);
  await eventually(() => readiness(back)).toEqual(READY);
  await sessionWith(back).steps.open(opening("accepted-here-too"));
});

test("a backend that stands still keeps nobody waiting for good, and what it was at is known afterwards", {
  timeout: 120_000,
}, async () => {
  const { server, daemons } = await startReplicas(["a"]);
  const [daemon] = daemons;
  if (daemon === undefined) throw new Error("no daemon");
  const session = sessionWith(daemon);
  const rows = await server.query("SELECT pid FROM pg_stat_activity WHERE application_name = 'stint'");
  const backends = rows.map(({ pid }) => Number(pid));
  for (const pid of backends) process.kill(pid, "SIGSTOP");
  // Refused, or answered by a connection that was made meanwhile.
  const answered = await session.steps.open(opening("still")).then(
    ({ step }) => step?.stepId,
    () => undefined,
  );
  for (const pid of backends) process.kill(pid, "SIGCONT");
  await eventually(() => readiness(daemon)).toEqual(READY);
  const { steps } = await session.operator.history.listSteps({ filter: { runId: "still" } });
  if (answered !== undefined) expect(steps.map(({ stepId }) => stepId)).toEqual([answered]);
  await session.steps.open(opening("goes-on"));
});

test("without a connection left, a broker whose own broke off records nothing, and goes on once there is one", {
  timeout: 120_000,
}, async () => {
  const settings = ["max_connections=8", "superuser_reserved_connections=0"];
  const { server, daemons } = await startReplicas(["a"], { settings });
  const [daemon] = daemons;
  if (daemon === undefined) throw new Error("no daemon");
  const session = sessionWith(daemon);
  const others = await exhausted(server);
  await expect(session.steps.open(opening("none-left"))).rejects.toMatchObject(UNAVAILABLE);
  for (const other of others) await other.end();
  await eventually(() => readiness(daemon)).toEqual(READY);
  await session.steps.open(opening("some-left"));
});

(LIBRARY === undefined ? test.skip : test)(
  "one whose clock is minutes off records nothing and says why, the other goes on, and set right it does too",
  { timeout: 120_000 },
  async () => {
    const clock = fakeClock();
    const { daemons } = await startReplicas(["a", "b"], { environment: { b: clock.environment } });
    const [first, second] = daemons;
    if (first === undefined || second === undefined) throw new Error("no daemon");
    const [a, b] = [sessionWith(first), sessionWith(second)];
    clock.set(300);
    await expect(b.steps.open(opening("off"))).rejects.toMatchObject({ reason: /LEDGER_UNAVAILABLE|NOT_SERVING/ });
    await a.steps.open(opening("on"));
    await eventually(async () => (await readiness(second)).ready).toBe(false);
    clock.set(0);
    await eventually(() => readiness(second)).toEqual(READY);
    await b.steps.open(opening("right"));
  },
);

/** Takes every connection that there is, those of the broker too. */
async function exhausted({ port, superuser }: Postgres): Promise<readonly Client[]> {
  const admin = await connected();
  const taken = [admin];
  const { rows } = await admin.query<{ max_connections: string }>("SHOW max_connections");
  const all = Number(rows[0]?.max_connections);
  // A backend that was ended is gone from the list of activity before its place is free, so that only a full count says that none is left.
  while (taken.length < all) {
    await admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'stint'");
    const next = await connected().catch(() => undefined);
    if (next !== undefined) taken.push(next);
  }
  return taken;

  async function connected(): Promise<Client> {
    const client = new Client({ host: "127.0.0.1", port, database: "postgres", ...superuser });
    client.on("error", () => undefined);
    await client.connect();
    return client;
  }
}
