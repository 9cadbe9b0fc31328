import type { ReceiptBook } from "../close/receipts.ts";
import type { EntryDirectory } from "../ports/directories.ts";
import type { Facts, Log } from "../ports/log.ts";

/**
 * Longer than a verifier that is well takes to acknowledge, so that a burst of revocations is no news; and the bound
 * past which a verifier refuses everything but reading.
 */
const BEHIND_AFTER_MS = 15_000;

type Listening = ReturnType<ReceiptBook["listening"]>[number];
type Seen = {
  readonly facts: Facts;
  /** The ledger's head when the watcher was last level with an earlier one, and when that was. */
  head: number;
  sinceMs: number;
  isBehind: boolean;
};

/**
 * Tells the log which verifiers come and go, and which are behind. A verifier that comes and goes without end is counted
 * by the log.
 *
 * @returns to be called at intervals.
 */
export function verifierLines(
  log: Pick<Log, "info" | "recurring">,
  ports: {
    readonly receipts: Pick<ReceiptBook, "listening">;
    readonly entries: Pick<EntryDirectory, "all">;
    readonly head: () => number;
    readonly monotonicMs: () => number;
  },
): () => void {
  const seen = new Map<string, Seen>();

  const factsOf = ({ entryId, maxStalenessSeconds }: Listening): Facts => ({
    verifier: ports.entries.all().find((entry) => entry.entryId === entryId)?.content.name ?? entryId,
    maxStalenessSeconds,
  });

  function lookAt(one: Seen, acknowledged: number): void {
    if (acknowledged >= one.head) {
      if (one.isBehind) log.info("a verifier has caught up", one.facts);
      Object.assign(one, { head: ports.head(), sinceMs: ports.monotonicMs(), isBehind: false });
    } else if (!one.isBehind && ports.monotonicMs() - one.sinceMs >= BEHIND_AFTER_MS) {
      one.isBehind = true;
      log.recurring("a verifier is behind", { ...one.facts, seconds: BEHIND_AFTER_MS / 1_000 });
    }
  }

  return () => {
    const listening = ports.receipts.listening();
    const ids = new Set(listening.map(({ watcherId }) => watcherId));
    for (const [watcherId, { facts }] of seen) {
      if (ids.has(watcherId)) continue;
      seen.delete(watcherId);
      log.recurring("a verifier is gone", facts);
    }
    for (const watcher of listening) {
      const known = seen.get(watcher.watcherId);
      if (known === undefined) {
        const facts = factsOf(watcher);
        seen.set(watcher.watcherId, { facts, head: ports.head(), sinceMs: ports.monotonicMs(), isBehind: false });
        log.recurring("a verifier listens", facts);
      } else lookAt(known, watcher.acknowledged);
    }
  };
}
