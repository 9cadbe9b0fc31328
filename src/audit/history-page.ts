import {
  type HistoryList,
  type HistoryTerms,
  hasLives,
  isFoundAtOnce,
  LIFE_SECONDS_MAX,
} from "../domain/history-filter.ts";
import { addMicros, type UnixMicros } from "../domain/time.ts";
import type { HistoryFilter, HistoryReads } from "../ports/ledger-reads.ts";

/**
 * Sequences that one read looks through: 20 to 100 ms where no row passes, after which other readers have their turn.
 */
const SLICE_SEQUENCES = 25_000;
/** Slices that one request looks through before it answers with what it has found, and where to go on. */
const SLICES_PER_PAGE_MAX = 40;

/** What bounds the work of one request; tests make it small. */
export type Slices = { readonly sequences: number; readonly perPageMax: number };
const SLICES: Slices = { sequences: SLICE_SEQUENCES, perPageMax: SLICES_PER_PAGE_MAX };

export type HistoryPage<Row> = {
  readonly rows: readonly Row[];
  /** Where the next page begins: exclusive, an upper bound for newest first and a lower one for oldest first. Absent on the last page. */
  readonly next?: number;
  /** Everything up to this sequence has been looked at; of oldest first alone. */
  readonly through: number;
};

/** Exclusive bounds. */
type Span = { readonly after: number; readonly before: number };

/**
 * One page of a list, read slice by slice: a filter that few rows pass costs no reader more than its own time, and a page costs as much
 * at the end of a long ledger as at its beginning. A page may hold fewer rows than the limit, or none, and not be the last.
 *
 * @param read - reads the rows between the exclusive bounds of its filter.
 * @param keyOf - the sequence by which rows are ordered.
 * @throws BrokerError LEDGER_UNAVAILABLE when the ledger can't be read
 */
export async function historyPage<Row>(
  list: Exclude<HistoryList, "usage">,
  filter: HistoryFilter & { readonly now?: UnixMicros },
  read: (filter: HistoryFilter) => Promise<readonly Row[]>,
  keyOf: (row: Row) => number,
  history: Pick<HistoryReads, "span">,
  slices: Slices = SLICES,
): Promise<HistoryPage<Row>> {
  const { oldestFirst = false, limit } = filter;
  const whole = await spanOf(list, filter, history);
  const rows: Row[] = [];
  let count = 0;
  for (const span of slicesOf(whole, { oldestFirst, sequences: sequencesOf(list, filter, slices) })) {
    rows.push(...(await read({ ...filter, ...span, limit: limit - rows.length })));
    const last = rows.at(-1);
    if (last !== undefined && rows.length >= limit) return { rows, next: keyOf(last), through: keyOf(last) };
    count += 1;
    const isLast = oldestFirst ? span.before >= whole.before : span.after <= whole.after;
    if (count < slices.perPageMax || isLast) continue;
    return { rows, next: oldestFirst ? span.before - 1 : span.after + 1, through: span.before - 1 };
  }
  return { rows, through: Math.max(whole.before - 1, whole.after) };
}

/** The bounds within which rows can pass the filter, as far as their instants and the filter's own bounds tell. */
export async function spanOf(
  list: HistoryList,
  filter: Omit<HistoryFilter, "limit"> & { readonly now?: UnixMicros },
  history: Pick<HistoryReads, "span">,
): Promise<Span> {
  const { since, until, after = 0, before = Number.MAX_SAFE_INTEGER } = filter;
  const liveAt = filter.liveAt ?? (isOnlyLive(filter) ? filter.now : undefined);
  const recorded = await history.span({
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  });
  // What can be ended at another system lives until it is.
  const isBounded = liveAt !== undefined && hasLives(list) && list !== "exchanges";
  const alive = isBounded
    ? // A credential is recorded a little after the instant at which it was issued.
      await history.span({
        since: addMicros(liveAt, -LIFE_SECONDS_MAX * MICROS),
        until: addMicros(liveAt, 60 * MICROS),
      })
    : recorded;
  return {
    after: Math.max(after, recorded.after, alive.after),
    before: Math.min(before, recorded.before, alive.before),
  };
}

function isOnlyLive({ terms = [] }: HistoryTerms): boolean {
  return terms.some(({ field, values, isExcluded }) => field === "outcome" && !isExcluded && values.every(isLive));
}

const isLive = (value: string) => value === "live";

const MICROS = 1_000_000;

/** The whole where an index finds the rows: slices of it would find them again and again. */
export function sequencesOf(list: HistoryList, filter: Omit<HistoryFilter, "limit">, slices: Slices = SLICES): number {
  return isFoundAtOnce(list, filter) ? Number.MAX_SAFE_INTEGER : slices.sequences;
}

/** Bounds that join without a gap, in the order in which they are asked for. */
export function* slicesOf(
  { after, before }: Span,
  { oldestFirst, sequences }: { readonly oldestFirst: boolean; readonly sequences: number },
): Generator<Span, void, void> {
  if (oldestFirst) {
    for (let low = after; low < before - 1; low += sequences) {
      yield { after: low, before: Math.min(before, low + sequences + 1) };
    }
    return;
  }
  for (let high = before; high > after + 1; high -= sequences) {
    yield { after: Math.max(after, high - sequences - 1), before: high };
  }
}
