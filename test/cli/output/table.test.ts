import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatFields, formatTable } from "../../../src/cli/output/table.ts";
import type { Column } from "../../../src/cli/output/view.ts";

type Row = { readonly name: string; readonly count: number };
const columns: readonly Column<Row>[] = [
  { header: "NAME", text: (row) => row.name },
  { header: "COUNT", text: (row) => String(row.count), align: "right" },
  { header: "NOTE", text: () => "" },
];
const plain = (_column: unknown, _row: unknown, text: string) => text;

describe("a table", () => {
  test("has its columns under their headers, and no space at the ends of lines", () => {
    const rows = [
      { name: "a", count: 1_000_000 },
      { name: "longer than its header", count: 7 },
    ];
    expect(formatTable(columns, rows, plain)).toBe(
      [
        "NAME                      COUNT  NOTE",
        "a                       1000000",
        "longer than its header        7",
        "",
      ].join("\n"),
    );
  });

  test("without rows is its header", () => {
    expect(formatTable(columns, [], plain)).toBe("NAME  COUNT  NOTE\n");
  });

  test("has one line a row, and nothing that a terminal would obey, whatever the values", () => {
    const hostile = fc.string({
      unit: fc.constantFrom("a", "\n", "\r", "\t", "\u001b", "\u009b", "\u202e", "\u2028", "\ud800", "\u{e0041}"),
    });
    fc.assert(
      fc.property(fc.array(fc.record({ name: hostile, count: fc.nat() })), (rows) => {
        const text = formatTable(columns, rows, plain);
        expect(text.split("\n")).toHaveLength(rows.length + 2);
        expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}]/u);
      }),
    );
  });

  test("colors the text of a cell and not the space beside it", () => {
    const paint = (column: { readonly header: string }, _row: unknown, text: string) =>
      column.header === "COUNT" ? `<${text}>` : text;
    expect(formatTable(columns.slice(0, 2), [{ name: "a", count: 7 }], paint)).toBe("NAME  COUNT\na         <7>\n");
  });
});

test("fields are named lines; lists take several, what is empty takes none, and objects are JSON", () => {
  expect(
    formatFields({ id: "x\u001b[2J", empty: "", none: null, no: false, list: ["a", "b"], nested: { deep: [1] } }),
  ).toBe(["id      x\\x1b[2J", "no      false", "list    a", "        b", 'nested  {"deep":[1]}', ""].join("\n"));
});
