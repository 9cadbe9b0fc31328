import { existsSync } from "node:fs";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { type ParquetColumn, parquetBytes } from "../../adapters/parquet-hyparquet/parquet-bytes.ts";
import type { Json } from "../output/view.ts";
import type { ExportColumn } from "./export-columns.ts";
import { type ExportSink, NOTHING_SETTLED, type Settled } from "./export-sink.ts";
import { checkFree, checkNotBegun, partialPath } from "./export-state.ts";

/** A file is made in memory, of this many rows: some tens of megabytes, and large enough for whoever reads columns. */
const ROWS_PER_PART = 50_000;

/**
 * Rows to a directory of Parquet files, each whole by itself: a file's end says where its columns are, so that one which
 * broke off is none. The directory has another name until all of its files are there.
 *
 * @param columns - the first is the row's sequence.
 * @param resumed - how many files are to be kept; absent: the directory is new.
 * @throws Failure when the directory is there
 */
export async function parquetSink<Row>(
  path: string,
  columns: readonly ExportColumn<Row>[],
  resumed: Settled | undefined,
  rowsPerPart = ROWS_PER_PART,
): Promise<ExportSink<Row>> {
  checkFree(path);
  const partial = partialPath(path);
  if (resumed === undefined) {
    checkNotBegun(path);
    await mkdir(partial, { mode: 0o700 });
  } else {
    for (const name of await readdir(partial)) if (name > partName(resumed.parts)) await rm(join(partial, name));
  }
  let settled: Settled = resumed ?? NOTHING_SETTLED;
  let waiting: Row[] = [];

  async function writePart(rows: readonly Row[], sequence: number): Promise<void> {
    const parts = settled.parts + 1;
    const bytes = await parquetBytes(columns.map((column) => parquetOf(column, rows)));
    await writeDurably(join(partial, partName(parts)), bytes);
    settled = { sequence, count: settled.count + rows.length, bytes: 0, parts };
  }

  return {
    async write(rows) {
      waiting.push(...rows);
      while (waiting.length >= rowsPerPart) {
        const part = waiting.slice(0, rowsPerPart);
        waiting = waiting.slice(rowsPerPart);
        await writePart(part, sequenceOf(columns, part));
      }
    },
    settle: async () => settled,
    async finish() {
      // Without rows there is one file, so that an export of nothing still says what it would have.
      if (waiting.length > 0 || settled.parts === 0) await writePart(waiting, sequenceOf(columns, waiting));
      checkFree(path);
      await rename(partial, path);
    },
    close: async () => undefined,
  };
}

/** Names that sort as the rows do. */
function partName(part: number): string {
  return `part-${String(part).padStart(6, "0")}.parquet`;
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  if (existsSync(path)) await rm(path);
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

function sequenceOf<Row>([sequence]: readonly ExportColumn<Row>[], rows: readonly Row[]): number {
  const last = rows.at(-1);
  return last === undefined || sequence === undefined ? 0 : Number(sequence.value(last));
}

function parquetOf<Row>({ name, kind, value }: ExportColumn<Row>, rows: readonly Row[]): ParquetColumn {
  const values = rows.map(value);
  switch (kind) {
    case "whole":
      return { name, kind, values: values.map((one) => (one === null ? null : BigInt(Number(one)))) };
    case "text":
      return { name, kind, values: values.map((one) => (one === null ? null : String(one))) };
    case "instant":
      return { name, kind, values: values.map((one) => (one === null ? null : microsOf(String(one)))) };
    case "texts":
      return { name, kind, values: values.map((one) => (one === null ? [] : (one as readonly Json[]).map(String))) };
    case "json":
      return { name, kind: "text", values: values.map((one) => (one === null ? null : JSON.stringify(one))) };
  }
}

/** Microseconds since 1970 of an instant in RFC 3339 and UTC, whose fraction `Date` would cut off at milliseconds. */
function microsOf(instant: string): bigint {
  const [, whole, fraction = ""] = /^(.*?)(?:\.([0-9]{1,6}))?Z$/.exec(instant) ?? [];
  return BigInt(Date.parse(`${whole}Z`)) * 1_000n + BigInt(fraction.padEnd(6, "0"));
}
