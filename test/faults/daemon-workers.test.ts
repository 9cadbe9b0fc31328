import process from "node:process";
import { expect, test } from "vitest";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { frontPids, isAlive } from "../e2e/front-ends.ts";
import { amountOf } from "./amounts.ts";
import { startLoad } from "./daemon-load.ts";
import { READY, readiness, sessionWith, startOwnDaemon } from "./daemon-scene.ts";
import { expectRecorded, ledgerBook } from "./recorded-load.ts";

// Goal: a front end that dies in the midst of its work leaves no credential that the ledger does not know, and ends nobody's step.
// Method: clients take credentials of every kind through two front ends and journal what they receive; one of these is killed again and
// again, and the clients go on by themselves.

const ROUNDS = amountOf("STINT_KILL_ROUNDS", { quick: 2, full: 200 });
const CLIENTS = 3;

test(`front ends that are killed ${ROUNDS} times in the midst of their work lose no credential that anybody holds`, {
  timeout: 60_000 + ROUNDS * 20_000,
}, async () => {
  const daemon = await startOwnDaemon({ config: { workers: 2 } });
  await using load = startLoad(daemon, CLIENTS);
  const book = ledgerBook();
  let closes = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    // At work again, so that there is something to interrupt.
    await eventually(() => load.received().closed.length).toBeGreaterThan(closes);
    const fronts = frontPids(daemon);
    const killed = fronts[round % fronts.length] ?? 0;
    process.kill(killed, "SIGKILL");
    await eventually(() => isAlive(killed)).toBe(false);
    closes = load.received().closed.length;
    await eventually(() => frontPids(daemon)).toHaveLength(2);
  }
  await eventually(() => load.received().closed.length).toBeGreaterThan(closes);
  await load.stop();
  expect(await readiness(daemon)).toEqual(READY);
  await book.read(sessionWith(daemon));
  const received = load.received();
  expectRecorded(received, book);
  expect([...new Set(received.refusals)].filter((reason) => reason !== "UNAVAILABLE")).toEqual([]);
  expect(await daemon.stop()).toBe(0);
});
