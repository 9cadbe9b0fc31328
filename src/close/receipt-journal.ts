import type { Cancel, Clock } from "../ports/clock.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { ReceiptBook } from "./receipts.ts";

/** At most one event a second, however many verifiers acknowledge. */
const INTERVAL_MS = 1_000;

/**
 * Writes what verifiers have acknowledged into the ledger: for each verifier entry, the sequence that all its watchers
 * have applied.
 *
 * @returns a function that ends it.
 */
export function keepReceiptJournal(ports: {
  readonly ledger: Ledger;
  readonly receipts: ReceiptBook;
  readonly clock: Clock;
  readonly failed: (error: unknown) => void;
}): Cancel {
  const written = new Map<string, number>();
  let cancel: Cancel = ports.clock.schedule(INTERVAL_MS, turn);

  function turn(): void {
    write()
      .catch(ports.failed)
      .finally(() => {
        cancel = ports.clock.schedule(INTERVAL_MS, turn);
      });
  }

  async function write(): Promise<void> {
    const applied = new Map<string, number>();
    for (const watcher of ports.receipts.watchers()) {
      if (!watcher.isConnected || watcher.acknowledged === 0) continue;
      const others = applied.get(watcher.entryId) ?? Number.POSITIVE_INFINITY;
      applied.set(watcher.entryId, Math.min(others, watcher.acknowledged));
    }
    const receipts = [...applied]
      .filter(([entryId, sequence]) => sequence > (written.get(entryId) ?? 0))
      .map(([entryId, sequence]) => ({ entryId, sequence }));
    if (receipts.length === 0) return;
    await ports.ledger.perform({ act: "take-receipts", receipts, now: ports.clock.now() });
    for (const { entryId, sequence } of receipts) written.set(entryId, sequence);
  }

  return () => cancel();
}
