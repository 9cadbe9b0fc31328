import type { Committed } from "../../../ports/following.ts";
import { EVENT, eventOf, isPruned, type StoredEvent } from "../tables/event-table.ts";
import type { Reader } from "./reader.ts";

/** Reads committed events, for followers that were not handed these events at the commit. */
export function createEventReads({ read }: Reader): (after: number, limit: number) => Promise<readonly Committed[]> {
  return async (after, limit) => {
    const rows = read((db) => db.all<StoredEvent>(EVENT.after, { after, limit }));
    // What is pruned has been over for days, and so has whatever a follower would have done about it.
    return rows
      .filter(({ canonical }) => !isPruned(canonical))
      .map(({ sequence, canonical }) => ({ sequence, event: eventOf(canonical) }));
  };
}
