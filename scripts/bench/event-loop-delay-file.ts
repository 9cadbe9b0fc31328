import { existsSync, readFileSync } from "node:fs";
import process from "node:process";

/** Names the file that `event-loop-delay.ts` writes, in the environment of the process it is loaded into. */
export const DELAY_FILE_VARIABLE = "STINT_BENCH_DELAY_FILE";

/**
 * How far apart the turns of a timer of one millisecond were, which is at rest a little more than that, and while the event
 * loop stands still as long as it does. All since the signal before.
 */
export type EventLoopDelay = {
  readonly signals: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
};

/** Tells a process to write what it has seen, and to begin anew; resolves when it has. */
export async function nextEventLoopDelay(pid: number, file: string): Promise<EventLoopDelay> {
  const before = read(file)?.signals ?? 0;
  process.kill(pid, "SIGUSR2");
  for (;;) {
    const seen = read(file);
    if (seen !== undefined && seen.signals > before) return seen;
    const POLL_MS = 5;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function read(file: string): EventLoopDelay | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as EventLoopDelay) : undefined;
}
