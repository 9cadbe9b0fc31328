import { writeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { heedEnding } from "../../src/main/ending.ts";

// A process that heeds signals as the daemon does, and that never ends: one of its threads stands still.
const say = (line: string) => void writeSync(2, `${line}\n`);
const stopping = heedEnding({
  request: () => undefined,
  fault: say,
  warning: say,
  recurring: say,
  info: say,
  flushed: () => Promise.resolve(),
});
const stand = "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)";
const thread = new Worker(stand, { eval: true });
thread.once("online", () => say("ready"));
await stopping;
say("stopping");
