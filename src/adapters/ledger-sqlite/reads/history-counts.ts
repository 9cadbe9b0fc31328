import type { HistoryField, HistoryList, HistorySpan } from "../../../domain/history-filter.ts";
import type { HistoryFilter, HistoryGroup, SpansOfRows } from "../../../ports/ledger-reads.ts";
import type { Connection } from "../connection.ts";
import { MINUTE, minuteOf, sizeOf } from "../tables/event-table.ts";
import { FIELD_SQL, LIST_SQL, SPAN_SQL } from "./history-fields.ts";
import { type Condition, valuesOf, whereOf } from "./history-page.ts";

/**
 * How many rows there are for each value of a field, or in all. A row with several values counts for each of them, once; a row without
 * any counts for none of them, and so is in the group without a value.
 */
export function countRows(
  db: Connection,
  of: HistoryList,
  conditions: readonly Condition[],
  groupBy: HistoryField | undefined,
): readonly HistoryGroup[] {
  const { from, weight } = LIST_SQL[of];
  const where = whereOf(conditions);
  const values = valuesOf(conditions);
  const field = groupBy === undefined ? undefined : FIELD_SQL[of][groupBy];
  if (field === undefined) {
    return db.all<HistoryGroup>(
      `SELECT NULL AS value, coalesce(sum(${weight}), 0) AS count FROM ${from}${where}`,
      values,
    );
  }
  if ("value" in field) {
    const sql = `SELECT CAST(${field.value} AS TEXT) AS value, sum(${weight}) AS count FROM ${from}${where} GROUP BY 1`;
    return db.all<HistoryGroup>(sql, values);
  }
  const list = `(SELECT json_group_array(DISTINCT ${field.each}) FROM ${field.from} WHERE ${field.each} IS NOT NULL)`;
  return db.all<HistoryGroup>(
    `SELECT v.value, sum(r.weight) AS count
       FROM (SELECT ${weight} AS weight, ${list} AS list FROM ${from}${where}) AS r LEFT JOIN json_each(r.list) AS v
      GROUP BY 1`,
    values,
  );
}

/** How long something of the rows lasted. Brokers' clocks may differ: what ended before it began lasted no time. */
export function spansOfRows(
  db: Connection,
  of: HistoryList,
  conditions: readonly Condition[],
  span: HistorySpan,
): SpansOfRows {
  const found = db.get<SpansOfRows>(
    `SELECT count(micros) AS count, coalesce(min(micros), 0) AS leastMicros, coalesce(max(micros), 0) AS mostMicros,
            total(micros) AS sumMicros
       FROM (SELECT max(0, ${SPAN_SQL[span]}) AS micros FROM ${LIST_SQL[of].from}${whereOf(conditions)})`,
    valuesOf(conditions),
  );
  return found ?? { count: 0, leastMicros: 0, mostMicros: 0, sumMicros: 0 };
}

/** Exclusive bounds of the sequences that rows recorded in [since, until) can have. */
export function sequenceSpan(
  db: Connection,
  { since, until }: Pick<HistoryFilter, "since" | "until">,
): { readonly after: number; readonly before: number } {
  const size = sizeOf(db);
  const bound = (sql: string, name: string, instant: NonNullable<typeof since>) =>
    db.get<{ readonly bound: number }>(`SELECT ${sql} AS bound`, { [name]: minuteOf(instant) })?.bound ?? 0;
  const first = since === undefined ? 1 : bound(MINUTE.firstSince, "sinceMinute", since);
  const last = until === undefined ? size : Math.min(size, bound(MINUTE.lastUntil, "untilMinute", until));
  return { after: first - 1, before: last + 1 };
}
