import type { ClosureReached, ReceiptsTaken } from "../../src/domain/ledger-event.ts";
import { type History, promise } from "./model-history.ts";

/** What the events say of who has applied what, and of closes that nobody accepts anything of. */
export type ModelClosures = {
  /** Closes that were found to be over before their credentials expired, by the sequence of the close. */
  readonly reached: ReadonlySet<number>;
  /** By verifier's entry, up to where all its processes refuse what was denied. */
  readonly applied: ReadonlyMap<string, number>;
  reach(event: ClosureReached): void;
  take(event: ReceiptsTaken, sequence: number): void;
};

export function createModelClosures({ steps, entries }: History): ModelClosures {
  const reached = new Set<number>();
  const applied = new Map<string, number>();

  return {
    reached,
    applied,
    reach({ closedSequence, at }) {
      const closed = [...steps.values()].find((one) => one.closed?.sequence === closedSequence)?.closed;
      promise(closed !== undefined && closed.at <= at, "a closure is of a close that was before");
      promise(!reached.has(closedSequence), "a closure is reached once");
      reached.add(closedSequence);
    },
    take({ receipts }, sequence) {
      for (const receipt of receipts) {
        promise(entries.get(receipt.entryId)?.content.kind === "verifier", "receipts are of verifiers");
        promise(receipt.sequence < sequence, "nobody applies what is not denied yet");
        promise(receipt.sequence > (applied.get(receipt.entryId) ?? 0), "what was applied stays applied");
        applied.set(receipt.entryId, receipt.sequence);
      }
    },
  };
}
