import { BrokerError } from "../domain/errors.ts";
import { type HistoryField, type HistoryList, hasSeveral } from "../domain/history-filter.ts";
import type { UnixMicros } from "../domain/time.ts";
import type { HistoryFilter, HistoryGroup, HistoryReads } from "../ports/ledger-reads.ts";
import { type Slices, sequencesOf, slicesOf, spanOf } from "./history-page.ts";

/** Values of one field that are counted side by side: more is a field that tells every row apart. */
const GROUPS_MAX = 100_000;

export type HistoryCount = {
  readonly count: number;
  /** The largest first, of the same size in the order of their values; empty where nothing was grouped by. */
  readonly groups: readonly HistoryGroup[];
  /** How many groups are beyond those, and what they count together. */
  readonly groupsLeftOut: number;
  readonly countLeftOut: number;
};

/**
 * Counts the rows of a list, slice by slice, so that no other reader waits for it. What was recorded since the count began is not
 * counted; what became of the rest is told as it is when its slice is read.
 *
 * @param top - how many groups are told.
 * @throws BrokerError LIMIT_EXCEEDED where a field has too many values, LEDGER_UNAVAILABLE
 */
export async function countHistory(
  list: HistoryList,
  filter: Omit<HistoryFilter, "limit"> & { readonly now: UnixMicros },
  { groupBy, top }: { readonly groupBy?: HistoryField; readonly top: number },
  history: Pick<HistoryReads, "count" | "span">,
  slices?: Slices,
): Promise<HistoryCount> {
  const counts = new Map<string | null, number>();
  let count = 0;
  for (const span of await slicedSpans(list, filter, history, slices)) {
    for (const group of await history.count(list, { ...filter, ...span }, groupBy)) {
      counts.set(group.value, (counts.get(group.value) ?? 0) + group.count);
      count += group.count;
    }
    if (counts.size > GROUPS_MAX) {
      throw new BrokerError(
        "LIMIT_EXCEEDED",
        `more than ${GROUPS_MAX} values: narrow the filter, or group by another field`,
      );
    }
  }
  if (groupBy === undefined) return { count, groups: [], groupsLeftOut: 0, countLeftOut: 0 };
  const sorted = [...counts].map(([value, one]) => ({ value, count: one })).toSorted(byCount);
  const leftOut = sorted.slice(top);
  // A row with several values is in several groups, so that their sum is not the count.
  const rows = hasSeveral(list, groupBy) ? await countHistory(list, filter, { top: 0 }, history, slices) : { count };
  return {
    count: rows.count,
    groups: sorted.slice(0, top),
    groupsLeftOut: leftOut.length,
    countLeftOut: leftOut.reduce((sum, group) => sum + group.count, 0),
  };
}

/** The spans of sequences that are read one after the other. */
export async function slicedSpans(
  list: HistoryList,
  filter: Omit<HistoryFilter, "limit">,
  history: Pick<HistoryReads, "span">,
  slices: Slices | undefined,
): Promise<Iterable<Partial<Pick<HistoryFilter, "after" | "before">>>> {
  // Usage is counted as a whole, and not ordered by sequences.
  if (list === "usage") return [{}];
  const whole = await spanOf(list, filter, history);
  return slicesOf(whole, { oldestFirst: true, sequences: sequencesOf(list, filter, slices) });
}

function byCount(one: HistoryGroup, other: HistoryGroup): number {
  return other.count - one.count || ((one.value ?? "") < (other.value ?? "") ? -1 : 1);
}
