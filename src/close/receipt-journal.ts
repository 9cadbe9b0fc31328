import type { Cancel, Clock } from "../ports/clock.ts";
import type { Committed } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { ProjectionReads } from "../ports/ledger-reads.ts";
import type { Notifier } from "./notify.ts";
import type { ReceiptBook } from "./receipts.ts";

/** At most one event a second, however many verifiers acknowledge. */
const INTERVAL_MS = 1_000;

export type ReceiptJournalPorts = {
  readonly ledger: Pick<Ledger, "follow" | "head" | "perform">;
  readonly projections: Pick<ProjectionReads, "receipts">;
  readonly receipts: ReceiptBook;
  readonly notifier: Pick<Notifier, "subscribe">;
  readonly clock: Clock;
  readonly failed: (error: unknown) => void;
};

/**
 * Writes what verifiers have acknowledged into the ledger: for each verifier entry, the sequence that all its watchers
 * have applied.
 *
 * Writes only after a new denial. Verifiers acknowledge the events that are written here too, so the ledger would
 * otherwise grow by one event a second for as long as anybody listens.
 *
 * @returns a function that ends the journal.
 * @throws BrokerError LEDGER_UNAVAILABLE
 */
export async function keepReceiptJournal(ports: ReceiptJournalPorts): Promise<Cancel> {
  const { value, through } = await ports.projections.receipts();
  const written = new Map(value.map(({ entryId, sequence }) => [entryId, sequence]));
  for (const receipt of value) ports.receipts.recorded(receipt);
  // Denials from before the start may have been applied since.
  let lastDenied = ports.ledger.head().sequence;
  let isOver = false;
  let cancel: Cancel = () => undefined;

  const following = ports.ledger.follow({ name: "receipts", take }, through);
  const { unsubscribe } = ports.notifier.subscribe(({ entries }) => {
    lastDenied = entries.at(-1)?.sequence ?? lastDenied;
  });
  writeLater();

  function take({ event }: Committed): void {
    if (event.type !== "receipts.taken") return;
    for (const receipt of event.receipts) {
      written.set(receipt.entryId, receipt.sequence);
      ports.receipts.recorded({ ...receipt, at: event.at });
    }
  }

  function writeLater(): void {
    if (isOver) return;
    cancel = ports.clock.schedule(INTERVAL_MS, () => {
      write().catch(ports.failed).finally(writeLater);
    });
  }

  async function write(): Promise<void> {
    const receipts = ports.receipts.applied().filter(({ entryId, sequence }) => {
      const known = written.get(entryId) ?? 0;
      return sequence > known && lastDenied > known;
    });
    if (receipts.length === 0) return;
    const { sequence } = await ports.ledger.perform({ act: "take-receipts", receipts, now: ports.clock.now() });
    await following.reached(sequence);
  }

  return () => {
    isOver = true;
    following.end();
    unsubscribe();
    cancel();
  };
}
