import type { Committed } from "../../../ports/following.ts";
import { EVENT, eventOf, type StoredEvent } from "../tables/event-table.ts";
import type { Reader } from "./reader.ts";

/** What was committed, for followers that were not given it in passing. */
export function createEventReads({ read }: Reader): (after: number, limit: number) => Promise<readonly Committed[]> {
  return async (after, limit) => {
    const rows = read((db) => db.all<StoredEvent>(EVENT.after, { after, limit }));
    return rows.map(({ sequence, canonical }) => ({ sequence, event: eventOf(canonical) }));
  };
}
