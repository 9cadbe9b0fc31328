import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type BrokerProcess, startBroker } from "./broker-process.ts";
import { type Checkout, packedDaemon, ROOT } from "./checkout.ts";
import { startGenerator } from "./generator.ts";
import { ledgerCounts } from "./inside-broker.ts";
import { median } from "./paired-ratio.ts";
import { factsOf } from "./process-facts.ts";

/** What a start takes, until calls are answered: time, and CPU of all threads. */
type Start = { readonly ms: number; readonly cpuMs: number };

/** Each the median of some. */
export type Starts = { readonly empty: Start; readonly events: number; readonly filled: Start };

const STARTS = 3;
const MANY_EVENTS = 1_000_000;

/**
 * Starts of the daemon as the package has it, on a ledger with next to nothing in it, and on one of a million events. That one is filled by the broker itself, by batches of
 * JWT-SVIDs, which takes some minutes; it stays under `build` for the next time.
 *
 * @param checkout - the broker's; this one when absent.
 */
export async function measureStarts(
  checkout: Checkout | undefined,
  say: (progress: string) => void,
  events = MANY_EVENTS,
): Promise<Starts> {
  const directory = checkout?.directory ?? ROOT;
  const program = packedDaemon(directory);
  const empty = await startsOnEmpty(program);
  const kept = join(ROOT, "build/bench/ledgers", directory === ROOT ? "head" : (checkout?.commit ?? "head"));
  if (!existsSync(kept)) mkdirSync(kept, { recursive: true, mode: 0o700 });
  await using broker = await startBroker({ program, dataDirectory: kept });
  await fill(broker, events, say);
  // What became of the last day's steps is recorded by the first start after it.
  await broker.restart();
  const filled = await medianStart(broker);
  return { empty, events: (await ledgerCounts(broker)).events, filled };
}

async function startsOnEmpty(program: string): Promise<Start> {
  await using broker = await startBroker({ program });
  return await medianStart(broker);
}

/** The median of some. */
export async function medianStart(broker: BrokerProcess): Promise<Start> {
  const starts: Start[] = [];
  for (let start = 0; start < STARTS; start += 1) {
    await factsOf(broker.pid()).quiet();
    const ms = await broker.restart();
    starts.push({ ms, cpuMs: factsOf(broker.pid()).cpuSeconds() * 1_000 });
  }
  return { ms: median(starts.map(({ ms }) => ms)), cpuMs: median(starts.map(({ cpuMs }) => cpuMs)) };
}

async function fill(broker: BrokerProcess, wanted: number, say: (progress: string) => void): Promise<void> {
  let { events } = await ledgerCounts(broker);
  if (events >= wanted) return;
  await using generator = await startGenerator("load", broker, { kind: "batch" });
  while (events < wanted) {
    say(`filling a ledger: ${events} events of ${wanted}`);
    await generator.measure({ callers: 8, seconds: 5, warmUpSeconds: 0 });
    ({ events } = await ledgerCounts(broker));
  }
}
