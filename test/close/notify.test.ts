import { afterEach, beforeEach, expect, test } from "vitest";
import { createNotifier, type FeedBatch, type Notifier } from "../../src/close/notify.ts";
import type { FeedReads } from "../../src/ports/ledger-reads.ts";
import { ports, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";

let world: World;
let notifier: Notifier;
/** What the feed was read for, and whether it can be read. */
let reads: [number, number][];
let isReadable: boolean;
const failures: unknown[] = [];
const failed = (error: unknown) => void failures.push(error);

beforeEach(async () => {
  const given = ports();
  world = worldOf(await openMemoryLedger({ ...given, failed }), given);
  reads = [];
  isReadable = true;
  const feed: FeedReads = {
    ...world.store.feed,
    denied(after, through) {
      reads.push([after, through]);
      if (!isReadable) throw new Error("disk");
      return world.store.feed.denied(after, through);
    },
  };
  notifier = createNotifier({ ledger: world.ledger, feed, failed });
});
afterEach(async () => {
  notifier.close();
  await world.store.close();
  expect(failures.splice(0)).toEqual([]);
});

/** @returns the sequence of the close. */
async function closeOne(): Promise<number> {
  const step = await world.open(await world.agent());
  await world.issue(step);
  return (await world.close(step)).sequence;
}

function subscribe(): FeedBatch[] {
  const seen: FeedBatch[] = [];
  notifier.subscribe((batch) => void seen.push(batch));
  return seen;
}

const deniedIn = (batches: readonly FeedBatch[]) =>
  batches.flatMap(({ entries }) => entries.map(({ sequence }) => sequence));

test("every denial is delivered once, in order, to all who are subscribed", async () => {
  const seen = [subscribe(), subscribe()];
  const closed = [await closeOne(), await closeOne(), await closeOne()];
  expect(await notifier.caughtUp()).toBe(world.ledger.head().sequence);
  for (const batches of seen) {
    expect(deniedIn(batches)).toEqual(closed);
    expect(batches.at(-1)?.through).toBe(closed.at(-1));
  }
  // Each read begins where the one before ended: nothing is skipped, nothing comes twice.
  for (const [index, [after]] of reads.entries()) expect(after).toBeGreaterThanOrEqual(reads[index - 1]?.[1] ?? 0);
});

test("a commit that denies nothing is passed without a look at the feed or a word to anybody, and what is denied next is not passed over", async () => {
  const seen = subscribe();
  await world.agent();
  expect(await notifier.caughtUp()).toBe(world.ledger.head().sequence);
  expect(reads).toEqual([]);
  expect(seen).toEqual([]);
  const closed = await closeOne();
  await world.agent();
  await notifier.caughtUp();
  expect(deniedIn(seen)).toEqual([closed]);
  expect(seen.map(({ through }) => through)).toEqual(seen.map(({ through }) => through).toSorted((a, b) => a - b));
});

test("being caught up means that what was durable at the call was delivered before", async () => {
  const seen = subscribe();
  const closed = await closeOne();
  await notifier.caughtUp();
  expect(deniedIn(seen)).toContain(closed);
});

test("a read that fails is told once and tried again by itself; nothing is skipped, and meanwhile the feed counts as behind", async () => {
  const seen = subscribe();
  isReadable = false;
  const closed = [await closeOne()];
  await nextTurn();
  expect(failures).toHaveLength(1);
  expect(notifier.following.refusal()).toMatchObject({ code: "NOT_SERVING" });
  closed.push(await closeOne());
  world.clock.advance(1_000);
  await nextTurn();
  expect(failures.splice(0)).toHaveLength(1);
  expect(deniedIn(seen)).toEqual([]);
  isReadable = true;
  world.clock.advance(1_000);
  await notifier.caughtUp();
  await nextTurn();
  expect(deniedIn(seen)).toEqual(closed);
  expect(notifier.following.refusal()).toBeUndefined();
});

test("a subscriber that throws keeps nothing from the others", async () => {
  notifier.subscribe(() => {
    throw new Error("this one");
  });
  const seen = subscribe();
  const closed = await closeOne();
  await notifier.caughtUp();
  expect(deniedIn(seen)).toEqual([closed]);
  expect(failures.splice(0)).not.toEqual([]);
});

/** Whatever is ready in this turn of the event loop has happened. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
