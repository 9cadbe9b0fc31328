import type { Cancel, Clock } from "../ports/clock.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { Notifier } from "./notify.ts";
import type { ReceiptBook } from "./receipts.ts";

/** At most one event a second, however many verifiers acknowledge. */
const INTERVAL_MS = 1_000;

/**
 * Writes what verifiers have acknowledged into the ledger: for each verifier entry, the sequence that all its watchers
 * have applied.
 *
 * Only a denial is news. Verifiers acknowledge these very events too, and would have the ledger grow by one a second for
 * as long as anybody listens.
 *
 * @returns a function that ends it.
 */
export function keepReceiptJournal(ports: {
  readonly ledger: Ledger;
  readonly receipts: ReceiptBook;
  readonly notifier: Pick<Notifier, "subscribe">;
  readonly clock: Clock;
  readonly failed: (error: unknown) => void;
}): Cancel {
  const written = new Map<string, number>();
  // What was denied before the start may have been applied since.
  let lastDenied = ports.ledger.head().sequence;
  const { unsubscribe } = ports.notifier.subscribe(({ entries }) => {
    lastDenied = entries.at(-1)?.sequence ?? lastDenied;
  });
  let cancel: Cancel = ports.clock.schedule(INTERVAL_MS, turn);

  function turn(): void {
    write()
      .catch(ports.failed)
      .finally(() => {
        cancel = ports.clock.schedule(INTERVAL_MS, turn);
      });
  }

  async function write(): Promise<void> {
    const receipts = ports.receipts.applied().filter(({ entryId, sequence }) => {
      const known = written.get(entryId) ?? 0;
      return sequence > known && lastDenied > known;
    });
    if (receipts.length === 0) return;
    await ports.ledger.perform({ act: "take-receipts", receipts, now: ports.clock.now() });
    for (const { entryId, sequence } of receipts) written.set(entryId, sequence);
  }

  return () => {
    unsubscribe();
    cancel();
  };
}
