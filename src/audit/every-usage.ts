import { LIMITS } from "../domain/limits.ts";
import type { HistoryFilter, HistoryReads, UsageRow } from "../ports/ledger-reads.ts";

/** All usage that passes a filter, in the order of its first reports. */
export async function* everyUsage(
  filter: Pick<HistoryFilter, "terms" | "descendantsOf">,
  { usage }: Pick<HistoryReads, "usage">,
): AsyncGenerator<UsageRow, void, void> {
  const limit = LIMITS.pageSizeMax;
  for (let after = 0; ; ) {
    const rows = await usage({ ...filter, after, oldestFirst: true, limit });
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < limit) return;
    after = last.usageId;
  }
}
