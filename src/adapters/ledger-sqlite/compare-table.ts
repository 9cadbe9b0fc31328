import type { Connection } from "./connection.ts";

type Row = Readonly<Record<string, unknown>>;

/**
 * Compares a table row by row with what it should be.
 *
 * @param expected - a database whose table is right.
 * @returns what is wrong, in words for the operator that name the first such row by its key; `undefined` when nothing is.
 */
export function compareTable(actual: Connection, expected: Connection, table: string): string | undefined {
  // The first column begins the primary key; where the key has two columns, the second completes it.
  const sql = `SELECT * FROM ${table} ORDER BY 1, 2`;
  const key = keyOf(actual, table);
  const found = actual.iterate<Row>(sql);
  const follows = expected.iterate<Row>(sql);
  try {
    for (;;) {
      const [one, other] = [found.next().value as Row | undefined, follows.next().value as Row | undefined];
      if (one === undefined && other === undefined) return undefined;
      if (textOf(one) !== textOf(other)) return difference(table, key, one, other);
    }
  } finally {
    found.return?.();
    follows.return?.();
  }
}

function difference(table: string, key: readonly string[], found: Row | undefined, follows: Row | undefined): string {
  const name = (row: Row): string => key.map((column) => `${column} ${String(row[column])}`).join(", ");
  const place = `the table ${table} is not what follows from the events`;
  if (found === undefined) return `${place}: its row ${name(follows ?? {})} is missing`;
  if (follows === undefined) return `${place}: its row ${name(found)} is one too many`;
  return name(found) === name(follows)
    ? `${place}: its row ${name(found)} was changed`
    : `${place}: it has the row ${name(found)} where ${name(follows)} is expected`;
}

function keyOf(db: Connection, table: string): readonly string[] {
  const columns = db.pragma(`table_info(${table})`) as readonly { readonly name: string; readonly pk: number }[];
  return columns.filter(({ pk }) => pk > 0).map(({ name }) => name);
}

function textOf(row: Row | undefined): string {
  return row === undefined ? "" : JSON.stringify(Object.values(row));
}
