import { expect, test } from "vitest";
import { createNotifier, type FeedBatch } from "../../src/close/notify.ts";
import type { Head } from "../../src/ports/ledger.ts";
import type { FeedReads } from "../../src/ports/ledger-reads.ts";

/** A ledger of which only the head is looked at, and a feed that tells which sequences were read. */
function growing() {
  let head: Head = { epoch: "e", sequence: 3, rootHash: new Uint8Array(32) };
  const listeners = new Set<(head: Head, denies: boolean) => void>();
  const reads: [number, number][] = [];
  const feed: FeedReads = {
    denied: async (after, through) => {
      reads.push([after, through]);
      return { entries: [], through: Math.min(through, after + 2) };
    },
    snapshot: async () => ({ entries: [], through: head.sequence }),
  };
  return {
    reads,
    feed,
    ledger: {
      head: () => head,
      onCommit: (listener: (head: Head, denies: boolean) => void) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    },
    commit(sequence: number, denies = true) {
      head = { ...head, sequence };
      for (const listener of listeners) listener(head, denies);
    },
  };
}

test("every sequence is delivered once, in order, to all who are subscribed", async () => {
  const source = growing();
  const notifier = createNotifier({
    ledger: source.ledger,
    feed: source.feed,
    failed: (error) => expect.unreachable(String(error)),
  });
  const seen: number[][] = [[], []];
  for (const into of seen) notifier.subscribe((batch: FeedBatch) => into.push(batch.through));
  source.commit(4);
  source.commit(8);
  expect(await notifier.caughtUp()).toBe(8);
  source.commit(9);
  expect(await notifier.caughtUp()).toBe(9);
  // Each read begins where the one before ended: nothing is skipped, nothing comes twice.
  expect(source.reads.map(([after]) => after)).toEqual([3, ...(seen[0] ?? []).slice(0, -1)]);
  expect(seen[0]?.at(-1)).toBe(9);
  expect(seen[1]).toEqual(seen[0]);
});

test("a commit that denies nothing is passed on without a look at the feed, and what denied before it is not passed over", async () => {
  const source = growing();
  const notifier = createNotifier({
    ledger: source.ledger,
    feed: source.feed,
    failed: (error) => expect.unreachable(String(error)),
  });
  const seen: number[] = [];
  notifier.subscribe((batch: FeedBatch) => seen.push(batch.through));
  source.commit(5, false);
  expect(await notifier.caughtUp()).toBe(5);
  expect(source.reads).toEqual([]);
  source.commit(6, true);
  source.commit(9, false);
  expect(await notifier.caughtUp()).toBe(9);
  expect(source.reads[0]?.[0]).toBe(5);
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  expect(seen.at(-1)).toBe(9);
});

test("being caught up means that what was durable at the call was delivered before", async () => {
  const source = growing();
  const notifier = createNotifier({
    ledger: source.ledger,
    feed: source.feed,
    failed: (error) => expect.unreachable(String(error)),
  });
  let delivered = 0;
  notifier.subscribe((batch) => {
    delivered = batch.through;
  });
  source.commit(40);
  await notifier.caughtUp();
  expect(delivered).toBe(40);
});

test("a read that fails is told and tried again with the next commit; nothing is skipped", async () => {
  const source = growing();
  const failures: unknown[] = [];
  let failing = true;
  const feed: FeedReads = {
    ...source.feed,
    denied: (after, through, limit) => {
      if (failing) return Promise.reject(new Error("disk"));
      return source.feed.denied(after, through, limit);
    },
  };
  const notifier = createNotifier({ ledger: source.ledger, feed, failed: (error) => failures.push(error) });
  source.commit(5);
  await new Promise((resolve) => setImmediate(resolve));
  expect(failures).toHaveLength(1);
  failing = false;
  source.commit(6);
  await notifier.caughtUp();
  expect(source.reads[0]).toEqual([3, 6]);
});
