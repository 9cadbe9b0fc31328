// Loaded into a daemon before its own code (`node --import`), so that a commit whose source knows nothing of it can be measured too.
// The first SIGUSR2 begins to watch the main thread's event loop; each further one tells what was seen since the one before.
import { renameSync, writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import process from "node:process";
import { isMainThread } from "node:worker_threads";
import { DELAY_FILE_VARIABLE, type EventLoopDelay } from "./event-loop-delay-file.ts";

const file = process.env[DELAY_FILE_VARIABLE];

// NODE_OPTIONS is for every thread, and threads share their process' signals.
if (isMainThread && file !== undefined) watch(file);

function watch(file: string): void {
  const INTERVAL_MS = 1;
  // It costs nothing as long as it is not enabled.
  const histogram = monitorEventLoopDelay({ resolution: INTERVAL_MS });
  let signals = 0;

  /** The next turn of the timer: what the loop did before is recorded then, and not before a first one has begun to count. */
  async function turn(): Promise<void> {
    const before = histogram.count;
    while (histogram.count === before) await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }

  async function tell(): Promise<void> {
    histogram.enable();
    await turn();
    const ms = (nanoseconds: number) => nanoseconds / 1e6;
    const [p50Ms, p99Ms] = [ms(histogram.percentile(50)), ms(histogram.percentile(99))];
    const seen: EventLoopDelay = { signals, p50Ms, p99Ms, maxMs: ms(histogram.max) };
    histogram.reset();
    await turn();
    // Whoever reads it never sees half of it.
    writeFileSync(`${file}.new`, JSON.stringify(seen));
    renameSync(`${file}.new`, file);
  }

  process.on("SIGUSR2", () => {
    signals += 1;
    void tell();
  });
}
