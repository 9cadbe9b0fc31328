import { type CompactRange, EMPTY_RANGE } from "../../domain/merkle-tree.ts";
import type { Cutoffs } from "../../domain/retention.ts";
import type { Clock } from "../../ports/clock.ts";
import type { LedgerRetention, TakenSnapshot } from "../../ports/ledger-retention.ts";
import { PRUNED_MAX } from "../../ports/retention-acts.ts";
import type { GroupQueue } from "./group-queue.ts";
import type { RetentionReads } from "./reads/retention-reads.ts";
import { chunksRoot, withChunk } from "./snapshot-chunks.ts";
import type { SnapshotMaker } from "./snapshot-maker.ts";
import type { WriterThread } from "./writer-thread.ts";

/**
 * Snapshots and pruning, made of what the threads of the ledger do.
 *
 * @param alone - runs one piece of work after the other: a verification that began with one snapshot would miss what is pruned
 *   behind the next.
 */
export function createRetention(options: {
  readonly thread: SnapshotMaker & Pick<RetentionReads, "due">;
  /** Where no verification keeps it waiting. */
  readonly standing: RetentionReads["standing"];
  readonly writer: Pick<WriterThread, "keepChunks">;
  readonly queue: Pick<GroupQueue, "perform">;
  readonly clock: Clock;
  readonly alone: <T>(work: () => Promise<T>) => Promise<T>;
}): LedgerRetention {
  const { thread, standing, writer, queue, clock, alone } = options;

  async function takeSnapshot(): Promise<TakenSnapshot> {
    const begun = await thread.beginSnapshot();
    if (begun.kind !== "begun") return begun;
    const { through, schema } = begun;
    let range: CompactRange = EMPTY_RANGE;
    let bytes = 0;
    await forget(through);
    for (;;) {
      const chunks = await thread.nextChunks();
      if (chunks.length === 0) break;
      await writer.keepChunks({ kind: "keep", through, first: range.size, chunks });
      for (const chunk of chunks) range = withChunk(range, chunk);
      bytes += chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    }
    const snapshot = { through, chunks: range.size, bytes, rootHash: chunksRoot(range), schema };
    await queue.perform({ act: "record-snapshot", snapshot, now: clock.now() });
    await forget(through);
    return { kind: "taken", through, chunks: range.size, bytes };
  }

  async function forget(made: number): Promise<void> {
    while ((await writer.keepChunks({ kind: "forget", made })) > 0);
  }

  async function prune(cutoffs: Cutoffs): Promise<number> {
    let pruned = 0;
    for (let after: number | undefined = 0; after !== undefined; ) {
      const part = { act: "prune-events", after, limit: PRUNED_MAX, cutoffs, now: clock.now() } as const;
      const done: { readonly pruned: number; readonly next?: number } = await queue.perform(part);
      pruned += done.pruned;
      after = done.next;
    }
    return pruned;
  }

  return {
    takeSnapshot: () => alone(takeSnapshot),
    prune: (cutoffs) => alone(() => prune(cutoffs)),
    due: thread.due,
    standing,
  };
}
