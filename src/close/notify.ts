import type { LedgerEvent } from "../domain/ledger-event.ts";
import { createListeners } from "../follow/listeners.ts";
import type { Committed, Following } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { DenyPart, FeedReads } from "../ports/ledger-reads.ts";

/** A part of the feed: deny entries in ledger order, and the sequence up to which the feed is then complete. */
export type FeedBatch = DenyPart;

export type Notifier = {
  readonly following: Following;
  /**
   * Delivers every batch after the position `from` that denies something, each once and in ledger order, until
   * `unsubscribe` is called.
   */
  subscribe(deliver: (batch: FeedBatch) => void): { readonly from: number; readonly unsubscribe: () => void };
  /** Resolves once everything that is in the ledger now was delivered to every subscriber. */
  caughtUp(): Promise<number>;
  close(): void;
};

/** The events that take something back: only these events add to the feed. */
const DENYING: ReadonlySet<LedgerEvent["type"]> = new Set(["step.closed", "issuance.revoked", "authority.tainted"]);

/**
 * Moves deny entries from the ledger to all watchers, in ledger order. The notifier keeps no entries: those of a commit
 * are read once and handed to all, so the cost of a close does not grow with the history.
 */
export function createNotifier(ports: {
  readonly ledger: Pick<Ledger, "head" | "follow">;
  readonly feed: FeedReads;
  /** Takes what a subscriber throws; the other subscribers are delivered to all the same. */
  readonly failed: (error: unknown) => void;
}): Notifier {
  const { onChange: subscribe, tell: deliver } = createListeners<[FeedBatch]>(ports.failed);
  const start = ports.ledger.head().sequence;
  /** The sequence through which everything was delivered. */
  let position = start;
  const waiters = new Set<{ readonly sequence: number; readonly resolve: (position: number) => void }>();

  async function takeAll(committed: readonly Committed[]): Promise<void> {
    const last = committed.at(-1)?.sequence ?? position;
    if (!committed.some(({ event }) => DENYING.has(event.type))) return move({ entries: [], through: last });
    for await (const part of ports.feed.denied(position, last)) {
      move(part);
      // Between two parts the event loop is free for other work.
      if (part.through < last) await nextTurn();
    }
  }

  function move(batch: FeedBatch): void {
    // Most commits deny nothing, and a thousand watchers need not be told so.
    if (batch.entries.length > 0) deliver(batch);
    // Set after the delivery: a position is a promise that nothing before it is missing.
    position = batch.through;
    for (const waiter of waiters) {
      if (waiter.sequence > position) continue;
      waiters.delete(waiter);
      waiter.resolve(position);
    }
  }

  const following = ports.ledger.follow({ name: "feed", takeAll }, start);

  return {
    following,
    subscribe: (listener) => ({ from: position, unsubscribe: subscribe(listener) }),
    caughtUp() {
      const { sequence } = ports.ledger.head();
      if (position >= sequence) return Promise.resolve(position);
      return new Promise((resolve) => void waiters.add({ sequence, resolve }));
    },
    close: following.end,
  };
}

/** Other work has its turn of the event loop before this resolves. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
