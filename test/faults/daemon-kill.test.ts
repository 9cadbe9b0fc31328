import { once } from "node:events";
import process from "node:process";
import { setTimeout as pass } from "node:timers/promises";
import { expect, test } from "vitest";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import type { Daemon } from "../daemon.ts";
import { amountOf } from "./amounts.ts";
import { withLedger } from "./daemon-ledger.ts";
import { IN_FLIGHT_MAX, startLoad } from "./daemon-load.ts";
import { READY, readiness, restarted, sessionWith, startOwnDaemon } from "./daemon-scene.ts";
import { expectRecorded, ledgerBook } from "./recorded-load.ts";

// Goal: whatever the daemon was doing when it died, nobody holds a credential that the ledger does not know, and nothing
// that was closed is open again.
// Method: clients take credentials of every kind and journal what they receive; the daemon is killed in the midst of it and
// started again; then journals and ledger are compared. Every other time it is killed at any instant, else by a client at the
// very moment that an answer has come, when whatever was put off until after the answer is still to be done.
// STINT_KILL_ROUNDS=<n> for another number of rounds.

const rounds = amountOf("STINT_KILL_ROUNDS", { quick: 4, full: 200 });
const CLIENTS = 3;
const KILL_AFTER_MS = { min: 10, max: 500 } as const;

/** Spread evenly in any number of rounds, and in no order: the fractions of multiples of the golden ratio. */
function killAfterMs(round: number): number {
  return KILL_AFTER_MS.min + ((round * 0.618_034) % 1) * (KILL_AFTER_MS.max - KILL_AFTER_MS.min);
}

async function expectWhole(daemon: Daemon): Promise<void> {
  await withLedger(daemon, async (store) => {
    expect([store.verdict, await store.verifyAll()]).toEqual([{ kind: "trusted" }, { kind: "intact" }]);
  });
}

test(`killed ${rounds} times in the midst of its work, it has lost no credential that anybody holds, and reopens nothing`, {
  timeout: 30_000 + rounds * 10_000,
}, async () => {
  let daemon = await startOwnDaemon();
  await using load = startLoad(daemon, CLIENTS);
  const book = ledgerBook();
  let closes = 0;
  for (let round = 0; round < rounds; round += 1) {
    // At work again after the restart, so that there is something to interrupt.
    await eventually(() => load.received().closed.length).toBeGreaterThan(closes);
    await pass(killAfterMs(round));
    if (round % 2 === 0) {
      const killed = once(daemon.child, "exit");
      load.killAtNextAnswer(daemon.pid);
      await killed;
    } else {
      await daemon.kill();
    }
    const received = load.received();
    closes = received.closed.length;

    daemon = await restarted(daemon);
    await eventually(() => readiness(daemon)).toEqual(READY);
    const session = sessionWith(daemon);
    expect((await session.operator.ledger.get({})).suspendedBecause).toEqual([]);
    await book.read(session);
    expectRecorded(received, book);
  }

  await load.stop();
  await book.read(sessionWith(daemon));
  const received = load.received();
  expectRecorded(received, book);
  expect(new Set(received.refusals)).toEqual(new Set(["UNAVAILABLE"]));
  for (const name of ["sha256", "jti", "serialNumber"] as const) {
    const all = received.credentials.flatMap((one) => one[name] ?? []);
    expect(new Set(all).size, name).toBe(all.length);
  }
  expect(book.issuances.size - received.credentials.length).toBeLessThanOrEqual(rounds * CLIENTS * IN_FLIGHT_MAX);
  expect(await daemon.stop()).toBe(0);
  await expectWhole(daemon);
  process.stdout.write(
    `killed ${rounds} times: ${received.credentials.length} credentials received, ${book.issuances.size} recorded, ${received.closed.length} steps closed\n`,
  );
});
