import { afterEach, beforeEach, expect, test } from "vitest";
import { createNotifier, type Notifier } from "../../src/close/notify.ts";
import { keepRecentDenials, type RecentDenials } from "../../src/close/recent-denials.ts";
import type { DenyEntry, FeedReads } from "../../src/ports/ledger-reads.ts";
import { ports, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";

let world: World;
let notifier: Notifier;
let recent: RecentDenials;
let reads = 0;
const KEPT_MAX = 4;

beforeEach(async () => {
  const given = ports();
  world = worldOf(await openMemoryLedger(given), given);
  notifier = createNotifier({ ...world.store, failed: (error) => expect.fail(String(error)) });
  const denied: FeedReads["denied"] = (...between) => {
    reads += 1;
    return world.store.feed.denied(...between);
  };
  await closed(2);
  await notifier.caughtUp();
  recent = keepRecentDenials({ notifier, feed: { denied } }, KEPT_MAX);
  reads = 0;
});
afterEach(async () => {
  recent.close();
  notifier.close();
  await world.store.close();
});

/** Steps of one run that are closed by one act each; gives the sequences of their closes. */
async function closed(count: number): Promise<readonly number[]> {
  const agent = await world.agent();
  const sequences: number[] = [];
  for (let step = 0; step < count; step += 1) {
    const opened = await world.open(agent);
    await world.issue(opened);
    sequences.push((await world.close(opened)).sequence);
  }
  return sequences;
}

async function entriesOf(parts: ReturnType<FeedReads["denied"]>): Promise<readonly DenyEntry[]> {
  const entries: DenyEntry[] = [];
  for await (const part of parts) entries.push(...part.entries);
  return entries;
}

test("what a close has denied is told without a read, once it was handed on to verifiers", async () => {
  const sequences = await closed(3);
  await notifier.caughtUp();
  for (const sequence of sequences) {
    const told = await entriesOf(recent.denied(sequence - 1, sequence));
    expect(told.map((one) => one.sequence)).toEqual([sequence]);
    expect(told).toEqual(await entriesOf(world.store.feed.denied(sequence - 1, sequence)));
  }
  const [first = 0, , last = 0] = sequences;
  expect(await entriesOf(recent.denied(first, last))).toHaveLength(2);
  expect(reads).toBe(0);
});

test("what came before, and what was not handed on yet, is read", async () => {
  const [first = 0] = await closed(1);
  await notifier.caughtUp();
  expect(await entriesOf(recent.denied(0, first))).toEqual(await entriesOf(world.store.feed.denied(0, first)));
  expect(reads).toBe(1);
  notifier.close();
  const [unheard = 0] = await closed(1);
  expect((await entriesOf(recent.denied(unheard - 1, unheard))).map(({ sequence }) => sequence)).toEqual([unheard]);
  expect(reads).toBe(2);
});

test("of more than is kept, the rest is read whole: a bulk close is never told in part", async () => {
  const agent = await world.agent();
  const opened = await world.open(agent);
  for (let step = 0; step <= 2 * KEPT_MAX; step += 1) await world.issue(await world.openChild(agent, opened));
  const { sequence } = await world.close(opened);
  const after = await closed(1);
  await notifier.caughtUp();
  const told = await entriesOf(recent.denied(sequence - 1, sequence));
  expect(told).toHaveLength(2 * KEPT_MAX + 1);
  expect(told).toEqual(await entriesOf(world.store.feed.denied(sequence - 1, sequence)));
  expect(reads).toBe(1);
  expect(await entriesOf(recent.denied((after[0] ?? 0) - 1, after[0] ?? 0))).toHaveLength(1);
  expect(reads).toBe(1);
});
