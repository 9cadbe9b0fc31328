import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { DELAY_FILE_VARIABLE, nextEventLoopDelay } from "../../scripts/bench/event-loop-delay-file.ts";

const PRELOADED = new URL("../../scripts/bench/event-loop-delay.ts", import.meta.url).href;
const BLOCKED_MS = 200;

/** Stands still as soon as it is watched; says, when it is asked, in how many threads the signal is listened to. */
const PROGRAM = `
  import { existsSync } from "node:fs";
  import { createInterface } from "node:readline";
  import { Worker } from "node:worker_threads";
  const COUNT = "import { parentPort } from 'node:worker_threads'; parentPort.postMessage(process.listenerCount('SIGUSR2'));";
  createInterface({ input: process.stdin }).on("line", () => {
    new Worker(COUNT, { eval: true }).on("message", (inWorker) => {
      console.log(process.listenerCount("SIGUSR2") + inWorker);
    });
  });
  const blockOnceWatched = () => {
    if (!existsSync(process.env.${DELAY_FILE_VARIABLE})) return void setImmediate(blockOnceWatched);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${BLOCKED_MS});
    console.log("over");
  };
  blockOnceWatched();
  console.log("ready");
`;

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "stint-delay-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

test("a daemon tells how long its main thread stood still, and other threads are left alone", async () => {
  const file = join(directory, "delay.json");
  const child = spawn(process.execPath, ["--input-type=module", "--eval", PROGRAM], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, NODE_OPTIONS: `--import=${PRELOADED}`, [DELAY_FILE_VARIABLE]: file },
  });
  const exited = once(child, "exit");
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const said = async () => (await lines.next()).value;
  expect(await said()).toBe("ready");
  const pid = child.pid ?? 0;

  // NODE_OPTIONS reached the worker as well.
  child.stdin.write("count\n");
  expect(await said()).toBe("1");

  await nextEventLoopDelay(pid, file);
  expect(await said()).toBe("over");
  const blocked = await nextEventLoopDelay(pid, file);
  // No lower: a timer can't run while its thread waits. The histogram has three digits.
  expect(blocked.maxMs).toBeGreaterThan(BLOCKED_MS * 0.99);
  expect(blocked.signals).toBe(2);

  // What was told is not told again.
  const after = await nextEventLoopDelay(pid, file);
  expect(after.signals).toBe(3);
  expect(after.maxMs).not.toBe(blocked.maxMs);

  child.stdin.end();
  expect(await exited).toEqual([0, null]);
});
