import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { expect, onTestFinished, test } from "vitest";
import { createFrontPool } from "../../../src/adapters/front-processes/front-pool.ts";
import type { FrontServing } from "../../../src/adapters/front-processes/front-process.ts";
import { eventually } from "../attestor-unix/peer-processes.ts";

const ENTRY = new URL("asking-front.ts", import.meta.url);

/** A pool of one front end, and what it said. */
function poolOf(more: Partial<FrontServing> = {}) {
  const seen = { lines: [] as string[], unheard: [] as unknown[], lost: [] as string[], pids: [] as number[] };
  const pool = createFrontPool({
    ...{ entry: ENTRY, count: 1, connectionsMax: 10 },
    lost: ({ why }) => void seen.lost.push(why),
  });
  const serving: FrontServing = {
    async answer(_question, given) {
      seen.pids.push((given as { readonly from: number }).from);
      return `answer ${seen.pids.length}`;
    },
    unheard: (question, result) => void seen.unheard.push([question, result]),
    relay: (_connectionId, socket) => void socket.destroy(),
    count: () => undefined,
    line: (text) => void seen.lines.push(text),
    failed: (error) => void seen.lines.push(String(error)),
    suspended: () => undefined,
    ...more,
  };
  onTestFinished(() => pool.stop());
  return { pool, seen, serving };
}

test("an answer that a front end did not take before it was killed is told of, and none that it took", async () => {
  const { pool, seen, serving } = poolOf({
    async answer(_question, given) {
      const { from } = given as { readonly from: number };
      // From here on it reads nothing.
      process.kill(from, "SIGSTOP");
      seen.pids.push(from);
      return "not taken";
    },
  });
  const started = pool.start({}, 1, serving);
  await eventually(() => seen.pids).toHaveLength(1);
  process.kill(seen.pids[0] ?? 0, "SIGKILL");
  await started;
  await eventually(() => seen.unheard[0]).toEqual(["issue", "not taken"]);

  const well = poolOf();
  await well.pool.start({}, 1, well.serving);
  await eventually(() => well.seen.lines).toEqual(['"answer 1"']);
  // It tells how many answers it has had whenever it has followed.
  well.pool.committed(2);
  await well.pool.reached(2);
  process.kill(well.seen.pids[0] ?? 0, "SIGKILL");
  await eventually(() => well.seen.lost).toEqual(["it ended by itself"]);
  expect(well.seen.unheard).toEqual([]);
});

test("an answer that is ready only after its front end has ended is told of too", async () => {
  const ready = Promise.withResolvers<string>();
  const { pool, seen, serving } = poolOf({
    answer(_question, given) {
      seen.pids.push((given as { readonly from: number }).from);
      return ready.promise;
    },
  });
  await pool.start({}, 1, serving);
  await eventually(() => seen.pids).toHaveLength(1);
  process.kill(seen.pids[0] ?? 0, "SIGKILL");
  await eventually(() => seen.lost).toHaveLength(1);
  ready.resolve("late");
  await eventually(() => seen.unheard).toContainEqual(["issue", "late"]);
});

test("whoever waits for a front end that stands still waits until it is killed, and no longer", async () => {
  const { pool, seen, serving } = poolOf();
  await pool.start({}, 1, serving);
  await eventually(() => seen.pids).toHaveLength(1);
  process.kill(seen.pids[0] ?? 0, "SIGSTOP");
  pool.committed(2);
  expect(await pool.reached(2)).toBe(true);
  await eventually(() => seen.lost.slice(0, 1)).toEqual(["it did not follow the ledger within a second"]);
});

test("the program of a front end serves nobody who did not start it as one", async () => {
  const entry = new URL("../../../src/main/front-worker.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [entry], { stdio: ["ignore", "inherit", "pipe"] });
  let said = "";
  child.stderr.on("data", (text: Buffer) => {
    said += text.toString();
  });
  expect(await once(child, "close")).toEqual([2, null]);
  expect(said).toBe("stintd: a front end is started by stintd alone\n");
});
