import type { Committed } from "../../../ports/following.ts";
import type { Connection } from "../connection.ts";
import { EVENT, eventOf, isPruned, type StoredEvent } from "../tables/event-table.ts";
import { PRUNED_RANGE, type PrunedRangeRow } from "../tables/retention-table.ts";
import type { Reader } from "./reader.ts";

/**
 * Reads committed events, for followers that were not handed these events at the commit: the next ones that are not pruned, at
 * least one where there is any.
 */
export function createEventReads({ read }: Reader): (after: number, limit: number) => Promise<readonly Committed[]> {
  return async (after, limit) => read((db) => nextOf(db, after, limit));
}

function nextOf(db: Connection, after: number, limit: number): readonly Committed[] {
  for (let from = after; ; ) {
    const rows = db.all<StoredEvent>(EVENT.after, { after: behindPruned(db, from), limit });
    // What is pruned has been over for days, and so has whatever a follower would have done about it.
    const kept = rows.filter(({ canonical }) => !isPruned(canonical));
    const last = rows.at(-1);
    if (kept.length > 0 || last === undefined) {
      return kept.map(({ sequence, canonical }) => ({ sequence, event: eventOf(canonical) }));
    }
    from = last.sequence;
  }
}

/** The last of the pruned events that come next, or the place itself. */
function behindPruned(db: Connection, after: number): number {
  const gone = db.get<PrunedRangeRow>(PRUNED_RANGE.before, { sequence: after + 1 });
  return Math.max(after, gone?.last ?? 0);
}
