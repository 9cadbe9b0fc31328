import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { endable, LOADED } from "../../../src/adapters/ledger-sqlite/end-thread.ts";

// Goal: a thread may be ended at any time, and the process lives on. Whoever terminates a thread in the middle of the loading of a native library
// ends the process, and no test can choose that moment; so what is tested is that no thread is terminated before it says that it has loaded.

/** Loads for as long as the cell is 0, then says so and works for ever. */
const PROGRAM = `
  const { parentPort, workerData } = require("node:worker_threads");
  Atomics.wait(workerData, 0, 0);
  Atomics.store(workerData, 1, 1);
  parentPort.postMessage(${JSON.stringify(LOADED)});
  for (;;) {}
`;

test("a thread is ended after it has loaded, and in the middle of whatever it does then", async () => {
  const cells = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(PROGRAM, { eval: true, workerData: cells });
  const end = endable(worker);
  await once(worker, "online");
  const ended = end();
  Atomics.store(cells, 0, 1);
  Atomics.notify(cells, 0);
  await ended;
  expect([...cells]).toEqual([1, 1]);
});

test("a thread that died while it loaded is ended", async () => {
  const worker = new Worker("throw new Error('no library')", { eval: true });
  const end = endable(worker);
  worker.on("error", () => undefined);
  await end();
  expect(worker.threadId).toBe(-1);
});
