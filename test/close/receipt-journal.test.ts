import { afterEach, beforeEach, expect, test } from "vitest";
import { createNotifier } from "../../src/close/notify.ts";
import { keepReceiptJournal } from "../../src/close/receipt-journal.ts";
import { createReceiptBook } from "../../src/close/receipts.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { createEntryIndex } from "../../src/registry/entry-index.ts";
import { MCP, ports, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";

let world: World;
let book: ReturnType<typeof createReceiptBook>;
let entryId: string;
let end: () => void;
const failures: unknown[] = [];

beforeEach(async () => {
  const given = ports();
  const { clock } = given;
  const store = await openMemoryLedger(given);
  world = worldOf(store, given);
  const verifier = await world.verifier();
  entryId = verifier.entryId;
  const entries = createEntryIndex();
  entries.put(verifier);
  book = createReceiptBook({ entries, clock });
  const failed = (error: unknown) => void failures.push(error);
  const notifier = createNotifier({ ledger: store.ledger, feed: store.feed, failed });
  const { ledger, projections } = store;
  end = await keepReceiptJournal({ ledger, projections, receipts: book, notifier, clock, failed });
  connect("w1");
});
afterEach(async () => {
  end();
  await world.store.close();
  expect(failures.splice(0)).toEqual([]);
});

function connect(watcherId: string): void {
  const maxStalenessSeconds = LIMITS.maxStalenessSecondsMax;
  const connectedSince = world.clock.now();
  book.connected({ watcherId, entryId, audiences: [MCP], maxStalenessSeconds, connectedSince, appliedBefore: 0 });
}

/** A second passes, in which each of these acknowledges all that there is. */
async function second(...watchers: readonly string[]): Promise<number> {
  const { sequence } = world.ledger.head();
  for (const one of watchers) {
    book.seen(one);
    book.acknowledged(one, sequence);
  }
  world.clock.advance(1_000);
  await new Promise((resolve) => setImmediate(resolve));
  return sequence;
}

async function closeOne(): Promise<void> {
  const step = await world.open(await world.agent());
  await world.issue(step);
  await world.close(step);
}

const recorded = async () => (await world.store.projections.receipts()).value.map((one) => one.sequence);

test("what every watcher of an entry has applied is recorded within a second", async () => {
  await closeOne();
  const sequence = await second("w1");
  expect(await recorded()).toEqual([sequence]);
});

test("while nothing is denied nothing is recorded, however long verifiers go on acknowledging", async () => {
  await closeOne();
  await second("w1");
  const { sequence } = world.ledger.head();
  for (let seconds = 0; seconds < 60; seconds += 1) await second("w1");
  expect(world.ledger.head().sequence).toBe(sequence);
  await closeOne();
  const applied = await second("w1");
  expect(await recorded()).toEqual([applied]);
});

test("nothing is claimed for an entry one of whose processes has not acknowledged anything yet", async () => {
  connect("w2");
  await closeOne();
  await second("w1");
  expect(await recorded()).toEqual([]);
  const applied = await second("w1", "w2");
  expect(await recorded()).toEqual([applied]);
});

test("once it has ended nothing is written or scheduled any more, not even by a write that was under way", async () => {
  await closeOne();
  book.seen("w1");
  book.acknowledged("w1", world.ledger.head().sequence);
  world.clock.advance(1_000);
  // The write waits for the ledger now.
  end();
  await new Promise((resolve) => setImmediate(resolve));
  expect(world.clock.pending()).toBe(0);
});
