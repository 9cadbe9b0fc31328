import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type BrokerProcess, startBroker } from "./broker-process.ts";
import { type Checkout, ROOT } from "./checkout.ts";
import { startGenerator } from "./generator.ts";
import { ledgerCounts } from "./inside-broker.ts";
import { median } from "./paired-ratio.ts";
import { factsOf } from "./process-facts.ts";

/** How long a start takes, until calls are answered. */
export type Starts = { readonly emptyMs: number; readonly events: number; readonly filledMs: number };

const STARTS = 3;
const MANY_EVENTS = 1_000_000;

/**
 * Starts on a ledger with next to nothing in it, and on one of a million events. That one is filled by the broker itself, by batches of
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
  const emptyMs = await (async () => {
    await using broker = await startBroker({ directory });
    return await medianStart(broker);
  })();
  const kept = join(ROOT, "build/bench/ledgers", directory === ROOT ? "head" : (checkout?.commit ?? "head"));
  if (!existsSync(kept)) mkdirSync(kept, { recursive: true, mode: 0o700 });
  await using broker = await startBroker({ directory, dataDirectory: kept });
  await fill(broker, events, say);
  // What became of the last day's steps is recorded by the first start after it.
  await broker.restart();
  return { emptyMs, events: (await ledgerCounts(broker)).events, filledMs: await medianStart(broker) };
}

async function medianStart(broker: BrokerProcess): Promise<number> {
  const tookMs: number[] = [];
  for (let start = 0; start < STARTS; start += 1) {
    await factsOf(broker.pid()).quiet();
    tookMs.push(await broker.restart());
  }
  return median(tookMs);
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
