import type { Ledger } from "../ports/ledger.ts";
import type { DenyEntry, FeedReads } from "../ports/ledger-reads.ts";

/** Deny entries of consecutive sequences, whole sequences only, through one sequence. */
export type FeedBatch = { readonly entries: readonly DenyEntry[]; readonly through: number };

export type Notifier = {
  /** Delivers every batch from the present position on, each once and in ledger order; ends with the returned function. */
  subscribe(deliver: (batch: FeedBatch) => void): { readonly from: number; readonly unsubscribe: () => void };
  /** Resolves once everything that is in the ledger now was delivered to every subscriber. */
  caughtUp(): Promise<number>;
  close(): void;
};

/** Sequences read at once: enough for a burst, little enough that memory stays flat. */
const BATCH_SEQUENCES = 1_000;

/**
 * Moves what the ledger holds to whoever watches, in ledger order. It keeps nothing: each commit is read once and handed
 * to all, so the cost of a close does not grow with the history.
 */
export function createNotifier(ports: {
  readonly ledger: Pick<Ledger, "head" | "onCommit">;
  readonly feed: FeedReads;
  readonly failed: (error: unknown) => void;
}): Notifier {
  const subscribers = new Set<(batch: FeedBatch) => void>();
  const waiters: { readonly sequence: number; readonly resolve: (position: number) => void }[] = [];
  let position = ports.ledger.head().sequence;
  let pumping = false;
  /** Up to here there may be something to deny. Beyond it there is nothing to look for. */
  let deniesThrough = position;

  async function pump(): Promise<void> {
    if (pumping) return;
    pumping = true;
    try {
      for (let head = ports.ledger.head(); position < head.sequence; head = ports.ledger.head()) {
        const batch =
          position < deniesThrough
            ? await ports.feed.denied(position, head.sequence, BATCH_SEQUENCES)
            : { entries: [], through: head.sequence };
        position = batch.through;
        for (const deliver of subscribers) deliver(batch);
        release();
      }
    } catch (thrown) {
      // Watchers' freshness runs out by itself while nothing moves; the next commit or ping tries again.
      ports.failed(thrown);
    } finally {
      pumping = false;
    }
  }

  function release(): void {
    for (let index = waiters.length - 1; index >= 0; index -= 1) {
      const waiter = waiters[index];
      if (waiter !== undefined && waiter.sequence <= position) {
        waiters.splice(index, 1);
        waiter.resolve(position);
      }
    }
  }

  const stop = ports.ledger.onCommit(({ sequence }, denies) => {
    if (denies) deniesThrough = sequence;
    void pump();
  });

  return {
    subscribe(deliver) {
      subscribers.add(deliver);
      return { from: position, unsubscribe: () => void subscribers.delete(deliver) };
    },
    caughtUp() {
      const { sequence } = ports.ledger.head();
      if (position >= sequence) return Promise.resolve(position);
      return new Promise((resolve) => {
        waiters.push({ sequence, resolve });
        void pump();
      });
    },
    close: stop,
  };
}
