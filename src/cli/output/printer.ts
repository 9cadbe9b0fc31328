import { once } from "node:events";
import type { Writable } from "node:stream";
import { styleText } from "node:util";
import { formatCsvLine } from "./csv.ts";
import type { OutputFormat } from "./output-formats.ts";
import { escapeControls } from "./show-controls.ts";
import { formatFields, formatTable, type Paint } from "./table.ts";
import { type DataRecord, recordOf, type View } from "./view.ts";

/** Data for standard output, in the format that was asked for. */
export type Printer = {
  /** Rows that are all there: a table, an array, lines. */
  rows<Row>(view: View<Row>, rows: readonly Row[]): Promise<void>;
  /** Rows as they come, without an end; `json` prints them as `jsonl` does. */
  stream<Row>(view: View<Row>, rows: AsyncIterable<Row>): Promise<void>;
  /** One thing: its fields, an object, one line. */
  one<Row>(view: View<Row>, row: Row): Promise<void>;
};

export function createPrinter(format: OutputFormat, out: Writable): Printer {
  // styleText looks at the stream, NO_COLOR and FORCE_COLOR.
  const paint: Paint = (column, row, text) => {
    const style = column.style?.(row);
    return style === undefined ? text : styleText(style, text, { stream: out });
  };

  async function write(text: string): Promise<void> {
    if (!out.write(text)) await once(out, "drain");
  }

  return {
    rows(view, rows) {
      const records = () => rows.map((row) => recordOf(view, row));
      switch (format) {
        case "table":
          return write(formatTable(view.columns, rows, paint));
        case "json":
          return write(prettyJson(records()));
        case "jsonl":
          return write(records().map(jsonLine).join(""));
        case "csv":
          return write(
            csvHeader(view) +
              records()
                .map((one) => csvLine(view, one))
                .join(""),
          );
      }
    },
    async stream(view, rows) {
      if (format === "csv") await write(csvHeader(view));
      for await (const row of rows) {
        if (format === "table") await write(formatTable(view.columns, [row], paint).replace(/^.*\n/, ""));
        else if (format === "csv") await write(csvLine(view, recordOf(view, row)));
        else await write(jsonLine(recordOf(view, row)));
      }
    },
    one(view, row) {
      const record = recordOf(view, row);
      switch (format) {
        case "table":
          return write(formatFields(record));
        case "json":
          return write(prettyJson(record));
        case "jsonl":
          return write(jsonLine(record));
        case "csv":
          return write(csvHeader(view) + csvLine(view, record));
      }
    },
  };
}

function prettyJson(value: unknown): string {
  return `${escapeControls(JSON.stringify(value, undefined, 2))}\n`;
}

export function jsonLine(record: DataRecord): string {
  return `${escapeControls(JSON.stringify(record))}\n`;
}

/** The header is fixed, so that a file without rows still has it. */
function csvHeader(view: { readonly fields: readonly (readonly [string, unknown])[] }): string {
  return formatCsvLine(view.fields.map(([name]) => name));
}

function csvLine(view: { readonly fields: readonly (readonly [string, unknown])[] }, record: DataRecord): string {
  return formatCsvLine(view.fields.map(([name]) => record[name] ?? null));
}
