import type { DenyEntry, FeedReads } from "../ports/ledger-reads.ts";
import type { Notifier } from "./notify.ts";

export type RecentDenials = Pick<FeedReads, "denied"> & { close(): void };

/** More than the closes that wait for an answer at any moment have denied; at most twice as many are kept. */
const ENTRIES_MAX = 512;

/**
 * What was denied last, as the notifier handed it on: each close asks for its own right afterwards, which need not be read once
 * more. What came before is read.
 */
export function keepRecentDenials(
  {
    notifier,
    feed,
  }: {
    readonly notifier: Pick<Notifier, "subscribe">;
    readonly feed: Pick<FeedReads, "denied">;
  },
  entriesMax = ENTRIES_MAX,
): RecentDenials {
  /** In ledger order: all that came after `from`, through `through`. */
  const recent: DenyEntry[] = [];
  const subscription = notifier.subscribe((batch) => {
    recent.push(...batch.entries);
    through = batch.through;
    // Many at a time: each time all that is kept is moved.
    if (recent.length <= 2 * entriesMax) return;
    from = recent.splice(0, recent.length - entriesMax).at(-1)?.sequence ?? from;
  });
  let { from } = subscription;
  let through = from;

  return {
    async *denied(after, last) {
      if (after < from || last > through) {
        yield* feed.denied(after, last);
        return;
      }
      const begin = recent.findLastIndex(({ sequence }) => sequence <= after) + 1;
      const entries = recent.slice(begin).filter(({ sequence }) => sequence <= last);
      yield { entries, through: last };
    },
    close: subscription.unsubscribe,
  };
}
