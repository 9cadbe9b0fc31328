import { formatCsvLine } from "../output/csv.ts";
import { jsonLine } from "../output/printer.ts";
import type { ExportColumn } from "./export-columns.ts";

/** A format in which each row is a line. */
export type LineFormat<Row> = { readonly head: string; readonly line: (row: Row) => string };

export function jsonLines<Row>(columns: readonly ExportColumn<Row>[]): LineFormat<Row> {
  return {
    head: "",
    line: (row) => jsonLine(Object.fromEntries(columns.map(({ name, value }) => [name, value(row)]))),
  };
}

/** The head is there without rows too, so that an export of nothing still says what it would have. */
export function csvLines<Row>(columns: readonly ExportColumn<Row>[]): LineFormat<Row> {
  return {
    head: formatCsvLine(columns.map(({ name }) => name)),
    line: (row) => formatCsvLine(columns.map(({ value }) => value(row))),
  };
}
