import type { CheckpointStore } from "../../ports/checkpoint-store.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { Head } from "../../ports/ledger.ts";

const SAVE_INTERVAL_MS = 1_000;

/** Keeps the newest head in the checkpoint store, beside the commits: no commit waits for a save. */
export type HeadKeeper = {
  committed(head: Head): void;
  /** Takes this head as the one to continue from, whatever head was kept before. Resolves once this head is kept. */
  trust(head: Head): Promise<void>;
  close(): Promise<void>;
};

/**
 * @param isTrusted - `false` when the ledger went back in time: then nothing is kept until `trust`, because the kept
 *   head, which shows the step back, would be lost.
 */
export function createHeadKeeper(
  ports: {
    readonly checkpoints: CheckpointStore;
    readonly clock: Pick<Clock, "monotonicMs" | "schedule">;
    readonly failed: (error: unknown) => void;
  },
  isTrusted: boolean,
): HeadKeeper {
  let isKeeping = isTrusted;
  let unsaved: Head | undefined;
  let savedAtMs = Number.NEGATIVE_INFINITY;
  let cancel: Cancel | undefined;
  let saving: Promise<void> = Promise.resolve();
  let newest: Head | undefined;
  let failedAt: Head | undefined;

  function save(): Promise<void> {
    cancel?.();
    cancel = undefined;
    const head = unsaved;
    unsaved = undefined;
    if (head === undefined) return saving;
    savedAtMs = ports.clock.monotonicMs();
    newest = head;
    // Saves run one after the other, so that an older head can't overtake a newer one.
    saving = saving.then(() => ports.checkpoints.save(head)).catch((error: unknown) => unsavedYet(head, error));
    return saving;
  }

  /** It is tried again, told of once: whoever is to be proved its newest event can't wait for the next commit. */
  function unsavedYet(head: Head, error: unknown): void {
    if (failedAt !== head) ports.failed(error);
    failedAt = head;
    if (head === newest && unsaved === undefined) committed(head);
  }

  function committed(head: Head): void {
    if (!isKeeping) return;
    unsaved = head;
    if (cancel !== undefined) return;
    const waitMs = savedAtMs + SAVE_INTERVAL_MS - ports.clock.monotonicMs();
    if (waitMs <= 0) void save();
    else cancel = ports.clock.schedule(waitMs, () => void save());
  }

  return {
    committed,
    async trust(head) {
      // A head that waits is no newer. One that comes meanwhile is saved after this one: two at once would write one file.
      cancel?.();
      [cancel, unsaved, newest] = [undefined, undefined, head];
      const kept = saving.then(() => ports.checkpoints.save(head));
      saving = kept.catch((error: unknown) => {
        // Whoever accepts is told. Of a ledger that was trusted before, this head is its newest all the same.
        failedAt = head;
        unsavedYet(head, error);
      });
      await kept;
      isKeeping = true;
    },
    async close() {
      isKeeping = false;
      await save();
    },
  };
}
