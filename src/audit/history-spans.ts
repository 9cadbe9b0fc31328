import type { HistoryList, HistorySpan } from "../domain/history-filter.ts";
import type { UnixMicros } from "../domain/time.ts";
import type { HistoryFilter, HistoryReads, SpansOfRows } from "../ports/ledger-reads.ts";
import { slicedSpans } from "./history-count.ts";
import type { Slices } from "./history-page.ts";

const NONE: SpansOfRows = { count: 0, leastMicros: 0, mostMicros: 0, sumMicros: 0 };

/**
 * How long something of the rows of a list lasted, slice by slice, as they are counted.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE
 */
export async function historySpans(
  list: HistoryList,
  filter: Omit<HistoryFilter, "limit"> & { readonly now: UnixMicros },
  span: HistorySpan,
  history: Pick<HistoryReads, "spans" | "span">,
  slices?: Slices,
): Promise<SpansOfRows> {
  let all = NONE;
  for (const slice of await slicedSpans(list, filter, history, slices)) {
    all = together(all, await history.spans(list, { ...filter, ...slice }, span));
  }
  return all;
}

function together(one: SpansOfRows, other: SpansOfRows): SpansOfRows {
  if (one.count === 0) return other;
  if (other.count === 0) return one;
  return {
    count: one.count + other.count,
    leastMicros: Math.min(one.leastMicros, other.leastMicros),
    mostMicros: Math.max(one.mostMicros, other.mostMicros),
    sumMicros: one.sumMicros + other.sumMicros,
  };
}
