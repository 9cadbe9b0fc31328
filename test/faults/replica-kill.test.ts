import process from "node:process";
import { setTimeout as pass } from "node:timers/promises";
import { expect } from "vitest";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import type { Daemon } from "../daemon.ts";
import { testWithPostgres as test } from "../postgres/server.ts";
import { amountOf } from "./amounts.ts";
import { startLoad } from "./daemon-load.ts";
import { READY, readiness, restarted, sessionWith } from "./daemon-scene.ts";
import { expectRecorded, ledgerBook } from "./recorded-load.ts";
import { startReplicas } from "./replica-scene.ts";

// Goal: whichever broker of a log dies, and at whatever moment, nobody holds a credential that the log does not know, nothing that was
// closed is open again, and the other goes on.
// Method: clients at both brokers journal what they receive; one broker after the other is killed in the midst of it and started again.
// STINT_REPLICA_KILL_ROUNDS=<n> for another number of rounds.

const rounds = amountOf("STINT_REPLICA_KILL_ROUNDS", { quick: 2, full: 100 });
const CLIENTS = 2;
/** Spread evenly in any number of rounds: the fractions of multiples of the golden ratio. */
const killAfterMs = (round: number) => 10 + ((round * 0.618_034) % 1) * 490;

test(`of two brokers one was killed ${rounds} times: no credential lacks its row, nothing closed is open, and the other went on`, {
  timeout: 60_000 + rounds * 20_000,
}, async () => {
  const { daemons } = await startReplicas(["a", "b"]);
  const pair = [...daemons] as [Daemon, Daemon];
  await using first = startLoad(pair[0], CLIENTS);
  await using second = startLoad(pair[1], CLIENTS);
  const loads = [first, second] as const;
  const closedOf = (side: 0 | 1) => loads[side].received().closed.length;
  for (let round = 0; round < rounds; round += 1) {
    const [killed, other] = round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const);
    const before = closedOf(killed);
    await eventually(() => closedOf(killed)).toBeGreaterThan(before);
    await pass(killAfterMs(round));
    await pair[killed].kill();
    const atKill = closedOf(other);
    await eventually(() => closedOf(other)).toBeGreaterThan(atKill);
    pair[killed] = await restarted(pair[killed]);
    await eventually(() => readiness(pair[killed])).toEqual(READY);
    expect((await sessionWith(pair[killed]).operator.ledger.get({})).suspendedBecause).toEqual([]);
  }
  for (const load of loads) await load.stop();

  for (const daemon of pair) {
    const book = ledgerBook();
    await book.read(sessionWith(daemon));
    for (const load of loads) expectRecorded(load.received(), book);
  }
  const received = loads.flatMap((load) => load.received().credentials);
  for (const name of ["sha256", "jti", "serialNumber"] as const) {
    const all = received.flatMap((one) => one[name] ?? []);
    expect(new Set(all).size, name).toBe(all.length);
  }
  const refusals = loads.flatMap((load) => load.received().refusals);
  expect(refusals.filter((refusal) => refusal !== "UNAVAILABLE")).toEqual([]);
  const closed = closedOf(0) + closedOf(1);
  process.stdout.write(`killed ${rounds} times: ${received.length} credentials received, ${closed} steps closed\n`);
});
