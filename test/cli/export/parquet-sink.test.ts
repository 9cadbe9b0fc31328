import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { ExportColumn } from "../../../src/cli/export/export-columns.ts";
import { parquetSink } from "../../../src/cli/export/parquet-sink.ts";

type Row = { readonly sequence: number; readonly texts: readonly string[] };

const COLUMNS: readonly ExportColumn<Row>[] = [
  { name: "sequence", kind: "whole", says: "", value: ({ sequence }) => sequence },
  { name: "texts", kind: "texts", says: "", value: ({ texts }) => texts },
];
const ROWS_PER_PART = 10;

const rowsOf = (count: number): readonly Row[] =>
  Array.from({ length: count }, (_, index) => ({ sequence: 2 * index + 1, texts: index % 3 === 0 ? [] : ["a", "b"] }));

const filesIn = (directory: string) =>
  readdirSync(directory)
    .toSorted()
    .map((name) => [name, readFileSync(join(directory, name)).toString("hex")]);

test("an export to Parquet that broke off anywhere and goes on has the files of one that did not", async () => {
  const bounds = {
    total: fc.integer({ min: 0, max: 45 }),
    cut: fc.integer({ min: 0, max: 45 }),
    page: fc.integer({ min: 1, max: 25 }),
  };
  await fc.assert(
    fc.asyncProperty(fc.record(bounds), async ({ total, cut, page }) => {
      const folder = mkdtempSync(join(tmpdir(), "stint-parquet-"));
      try {
        const rows = rowsOf(total);
        const [whole, broken] = [join(folder, "whole"), join(folder, "broken")];
        const write = async (sink: Awaited<ReturnType<typeof parquetSink<Row>>>, some: readonly Row[]) => {
          for (let at = 0; at < some.length; at += page) {
            const part = some.slice(at, at + page);
            await sink.write(part, part.at(-1)?.sequence ?? 0);
          }
        };
        const once = await parquetSink(whole, COLUMNS, undefined, ROWS_PER_PART);
        await write(once, rows);
        await once.finish();

        const first = await parquetSink(broken, COLUMNS, undefined, ROWS_PER_PART);
        await write(first, rows.slice(0, cut));
        const settled = await first.settle();
        // As a crash leaves it: a file behind those that count.
        writeFileSync(join(`${broken}.partial`, "part-000009.parquet"), "half");
        expect(existsSync(broken)).toBe(false);
        const second = await parquetSink(broken, COLUMNS, settled, ROWS_PER_PART);
        const after = settled?.sequence ?? 0;
        await write(
          second,
          rows.filter(({ sequence }) => sequence > after),
        );
        await second.finish();
        expect(filesIn(broken)).toEqual(filesIn(whole));
        expect(filesIn(whole)).toHaveLength(Math.max(1, Math.ceil(total / ROWS_PER_PART)));
      } finally {
        rmSync(folder, { recursive: true });
      }
    }),
    { numRuns: 30 },
  );
});
