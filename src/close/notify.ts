import type { LedgerEvent } from "../domain/ledger-event.ts";
import { createListeners } from "../follow/listeners.ts";
import type { Committed, Following } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { DenyPart, FeedReads } from "../ports/ledger-reads.ts";

/** A part of the feed: deny entries in ledger order, and through which sequence everything was delivered with it. */
export type FeedBatch = DenyPart;

export type Notifier = {
  readonly following: Following;
  /** Delivers every batch from the present position on, each once and in ledger order; ends with the returned function. */
  subscribe(deliver: (batch: FeedBatch) => void): { readonly from: number; readonly unsubscribe: () => void };
  /** Resolves once everything that is in the ledger now was delivered to every subscriber. */
  caughtUp(): Promise<number>;
  close(): void;
};

/** The events that take something back: only these leave anything for the feed. */
const DENYING: ReadonlySet<LedgerEvent["type"]> = new Set(["step.closed", "issuance.revoked", "authority.tainted"]);

/**
 * Moves what the ledger holds to whoever watches, in ledger order. It keeps nothing: what a commit denies is read once and
 * handed to all, so the cost of a close does not grow with the history.
 */
export function createNotifier(ports: {
  readonly ledger: Pick<Ledger, "head" | "follow">;
  readonly feed: FeedReads;
  /** Takes what a subscriber throws; the others are delivered to all the same. */
  readonly failed: (error: unknown) => void;
}): Notifier {
  const { onChange: subscribe, tell: deliver } = createListeners<[FeedBatch]>(ports.failed);
  const start = ports.ledger.head().sequence;
  /** Through this, everything was delivered. */
  let position = start;
  const waiters = new Set<{ readonly sequence: number; readonly resolve: (position: number) => void }>();

  async function takeAll(committed: readonly Committed[]): Promise<void> {
    const last = committed.at(-1)?.sequence ?? position;
    if (!committed.some(({ event }) => DENYING.has(event.type))) return move({ entries: [], through: last });
    for await (const part of ports.feed.denied(position, last)) {
      move(part);
      // What is sent and what is read take turns with whoever wants something else of the event loop.
      if (part.through < last) await nextTurn();
    }
  }

  function move(batch: FeedBatch): void {
    deliver(batch);
    // After it was delivered: a position is a promise that nothing before it is missing.
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

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
