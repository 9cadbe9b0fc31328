// What pruning takes, and what it gives back: `make bench-pruning`, EVENTS=10000000 for more. The ledger is filled by its own acts; all the while one
// caller records a credential, waits for it, and records the next, as whoever issues does.
import { parseArgs } from "node:util";
import { RETENTION_CLASSES } from "../../src/domain/retention.ts";
import { openSqlite } from "../../test/contract/sqlite-ledger.ts";
import { fillLedger } from "./filled-ledger.ts";
import { machineName } from "./machine.ts";
import { print, printRow } from "./table.ts";
import { usedBytes } from "./used-bytes.ts";
import { percentile } from "./workload.ts";

const { values } = parseArgs({ options: { events: { type: "string", default: "300000" } } });
const EVENTS = Number(values.events);
const ALONE_MS = 5_000;
const LATER_MS = 3_600_000;

await using ledger = await openSqlite().then((opened) => ({ ...opened, [Symbol.asyncDispose]: opened.close }));
const { world, directory } = ledger;
const { retention } = world.store;
const agent = await world.agent();
const filled = fillLedger(
  world,
  () => agent,
  () => world.clock.advance(50),
);

const widths = { first: 44, cell: 12 };
print(`${machineName()}\n`);
await filled.fill(EVENTS);
const perEvent = (bytes: number) => (bytes / world.ledger.head().sequence).toFixed(0);
const before = perEvent(await usedBytes(directory));
world.clock.advance(LATER_MS);
printRow(`${EVENTS} events`, ["took s", "waits p50 ms", "p99", "longest"], widths);
await measured("nothing else", () => new Promise((resolve) => setTimeout(resolve, ALONE_MS)));
const taken = await measured("a snapshot", () => retention.takeSnapshot());
const cutoffs = Object.fromEntries(RETENTION_CLASSES.map((name) => [name, world.clock.now()]));
const pruned = await measured("pruning", () => retention.prune(cutoffs));
const snapshot = taken.kind === "taken" ? taken.bytes : 0;
print(`\npruned ${pruned} events; bytes an event: ${before} before, ${perEvent(await usedBytes(directory))} after,`);
print(`of which the snapshot's chunks ${perEvent(snapshot)}\n`);

/** Does something while a caller records credentials one after the other, and says how long each waited. */
async function measured<T>(name: string, work: () => Promise<T>): Promise<T> {
  const step = await world.open(agent);
  const waitsMs: number[] = [];
  let isOver = false;
  const startedMs = performance.now();
  const working = work().finally(() => {
    isOver = true;
  });
  while (!isOver) {
    const askedMs = performance.now();
    await world.issue(step);
    waitsMs.push(performance.now() - askedMs);
  }
  const tookMs = performance.now() - startedMs;
  waitsMs.sort((a, b) => a - b);
  const at = (share: number) => percentile(waitsMs, share).toFixed(1);
  printRow(name, [(tookMs / 1_000).toFixed(1), at(0.5), at(0.99), at(1)], widths);
  return working;
}
