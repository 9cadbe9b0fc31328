import type { UnixMicros } from "../../../domain/time.ts";
import type { Connection, SqlParameters, SqlValue } from "../connection.ts";
import { MINUTE, minuteOf } from "../tables/event-table.ts";

/** The most rows of a page, whatever limit a caller asks for. */
const ROWS_MAX = 10_000;

/** A condition in SQL with the values it names; several are joined by AND. */
export type Condition = { readonly sql: string; readonly values: SqlParameters };

/** A condition where the value is there, else none: absent members of a filter do not filter. */
export function when(sql: string, name: string, value: SqlValue | undefined): readonly Condition[] {
  return value === undefined ? [] : [{ sql, values: { [name]: value } }];
}

/**
 * Conditions that all pages have in common: where the page begins, and when its rows were recorded.
 *
 * @param table - the alias of a table with `sequence`, which orders the page, and `recorded_at_us`.
 */
export function pageConditions(
  table: string,
  filter: {
    readonly since?: UnixMicros;
    readonly until?: UnixMicros;
    readonly before?: number;
    readonly after?: number;
  },
): readonly Condition[] {
  const { since, until, before, after } = filter;
  const sequence = `${table}.sequence`;
  return [
    ...when(`${sequence} < @before`, "before", before),
    ...when(`${sequence} > @after`, "after", after),
    ...when(`${table}.recorded_at_us >= @since`, "since", since),
    ...when(`${sequence} >= ${MINUTE.firstSince}`, "sinceMinute", since === undefined ? undefined : minuteOf(since)),
    ...when(`${table}.recorded_at_us < @until`, "until", until),
    ...when(`${sequence} <= ${MINUTE.lastUntil}`, "untilMinute", until === undefined ? undefined : minuteOf(until)),
  ];
}

/** Several conditions as one. */
export function joined(conditions: readonly Condition[], by: " AND " | " OR "): Condition {
  return { sql: conditions.map(({ sql }) => `(${sql})`).join(by), values: valuesOf(conditions) };
}

export function valuesOf(conditions: readonly Condition[]): SqlParameters {
  return Object.assign({}, ...conditions.map((one) => one.values)) as SqlParameters;
}

/** ` WHERE …`, or nothing. */
export function whereOf(conditions: readonly Condition[]): string {
  return conditions.length === 0 ? "" : ` WHERE ${joined(conditions, " AND ").sql}`;
}

/** Reads one page: a selection, its conditions, and the key that orders it. Only our own words are put into the SQL. */
export function readPage<Row>(
  db: Connection,
  page: {
    readonly select: string;
    readonly conditions: readonly Condition[];
    readonly orderBy: string;
    readonly limit: number;
  },
): readonly Row[] {
  const limit = Math.min(Math.max(Math.trunc(page.limit), 0), ROWS_MAX);
  return db.all<Row>(`${page.select}${whereOf(page.conditions)} ORDER BY ${page.orderBy} LIMIT @limit`, {
    ...valuesOf(page.conditions),
    limit,
  });
}
