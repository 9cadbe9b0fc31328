import { showControls } from "./show-controls.ts";
import type { Column, DataRecord, Json } from "./view.ts";

const GAP = "  ";

/** Colors a cell, or leaves it as it is. */
export type Paint = <Row>(column: Column<Row>, row: Row, text: string) => string;

/** Rows as a table with a header, one line a row, whatever the values hold. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], paint: Paint): string {
  const cells = rows.map((row) => columns.map((column) => showControls(column.text(row))));
  const widths = columns.map((column, index) =>
    Math.max(column.header.length, ...cells.map((line) => line[index]?.length ?? 0)),
  );
  const header = columns.map((column, index) => pad(column, column.header, widths[index] ?? 0)).join(GAP);
  const lines = rows.map((row, line) =>
    columns
      .map((column, index) => {
        const text = cells[line]?.[index] ?? "";
        const padded = pad(column, text, widths[index] ?? 0);
        // Only the text is painted: an underlined or colored gap would look like a value.
        return text === "" ? padded : padded.replace(text, () => paint(column, row, text));
      })
      .join(GAP)
      .trimEnd(),
  );
  return `${[header.trimEnd(), ...lines].join("\n")}\n`;
}

function pad<Row>(column: Column<Row>, text: string, width: number): string {
  return column.align === "right" ? text.padStart(width) : text.padEnd(width);
}

/** One record as lines of `name  value`; members that are empty are left out. */
export function formatFields(record: DataRecord): string {
  const fields = Object.entries(record).flatMap(([name, value]): [string, string][] => {
    const lines = linesOf(value);
    return lines.map((line, index) => [index === 0 ? name : "", line]);
  });
  const width = Math.max(0, ...fields.map(([name]) => name.length));
  return fields.map(([name, line]) => `${name.padEnd(width)}${GAP}${showControls(line)}\n`).join("");
}

function linesOf(value: Json): readonly string[] {
  if (value === null || value === "") return [];
  if (Array.isArray(value)) return (value as readonly Json[]).flatMap(linesOf);
  return typeof value === "object" ? [JSON.stringify(value)] : [String(value)];
}
