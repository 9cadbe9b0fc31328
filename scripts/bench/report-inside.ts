import type { Inside } from "./inside-broker.ts";
import { print, printRow } from "./table.ts";

/** Of the threads that use little, one column tells the sum. */
const LITTLE_MICROS = 5;
const OTHERS = "other";

/** Prints where the broker's CPU went, a column for each thread that used some. */
export function printInside(rows: readonly Inside[]): void {
  if (rows.length === 0) return;
  const names = [...new Set(rows.flatMap(({ threadMicros }) => Object.keys(threadMicros)))];
  const most = (name: string) => Math.max(...rows.map(({ threadMicros }) => threadMicros[name] ?? 0));
  const columns = names.filter((name) => most(name) >= LITTLE_MICROS).sort((one, other) => most(other) - most(one));
  const widths = { first: 52, cell: 13 };
  print();
  printRow("Within the broker", [...columns, OTHERS, "events/commit", "loop p99 ms", "loop max ms"], widths);
  for (const { what, threadMicros, eventsACommit, loopP99Ms, loopMaxMs } of rows) {
    const small = names
      .filter((name) => !columns.includes(name))
      .reduce((sum, name) => sum + (threadMicros[name] ?? 0), 0);
    const isKnown = Object.keys(threadMicros).length > 0;
    const micros = [...columns.map((name) => threadMicros[name] ?? 0), small].map((value) =>
      isKnown ? value.toFixed(0) : "",
    );
    const group = eventsACommit === undefined ? "unknown" : eventsACommit.toFixed(1);
    printRow(what, [...micros, group, loopP99Ms.toFixed(1), loopMaxMs.toFixed(1)], widths);
  }
  print(`
Microseconds of CPU for one credential, by the names of the broker's threads (WorkerThread: those that have none; V8: what helps
collecting garbage and compiling). events/commit: what shares one fsync. loop: turns of a timer of 1 ms on the main thread.`);
}
