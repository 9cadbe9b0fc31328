import { Writable } from "node:stream";
import { describe, expect, onTestFinished, test } from "vitest";
import { OUTPUT_FORMATS, type OutputFormat } from "../../../src/cli/output/output-formats.ts";
import { createPrinter } from "../../../src/cli/output/printer.ts";
import type { View } from "../../../src/cli/output/view.ts";

type Row = { readonly name: string; readonly tags: readonly string[] };
const view: View<Row> = {
  fields: [
    ["name", (row) => row.name],
    ["tags", (row) => row.tags],
    ["none", () => null],
    ["not_here", () => undefined],
  ],
  columns: [
    { header: "NAME", text: (row) => row.name, style: () => "green" },
    { header: "TAGS", text: (row) => row.tags.join(" ") },
  ],
};
const rows: readonly Row[] = [
  { name: "a", tags: ["x", "y"] },
  { name: "\u009b31mred\u202e", tags: [] },
];

async function printed(
  format: OutputFormat,
  print: (printer: ReturnType<typeof createPrinter>) => Promise<void>,
): Promise<string> {
  const chunks: string[] = [];
  // Too small for any write, so that the printer must wait for it to drain.
  const out = new Writable({
    highWaterMark: 1,
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      setImmediate(done);
    },
  });
  await print(createPrinter(format, out));
  return chunks.join("");
}

async function* coming(): AsyncGenerator<Row> {
  yield* rows;
}

describe("rows", () => {
  test.for([
    { format: "table", text: "NAME                TAGS\na                   x y\n\\x9b31mred\\u{202e}\n" },
    {
      format: "jsonl",
      text: '{"name":"a","tags":["x","y"],"none":null}\n{"name":"\\u009b31mred\\u202e","tags":[],"none":null}\n',
    },
    { format: "csv", text: "name,tags,none,not_here\r\na,x y,,\r\n\\x9b31mred\\u{202e},,,\r\n" },
  ] as const)("as $format", async ({ format, text }) => {
    expect(await printed(format, (print) => print.rows(view, rows))).toBe(text);
    // A stream's table has no header, since nobody knows how wide it will be.
    const streamed = format === "table" ? "a     x y\n\\x9b31mred\\u{202e}\n" : text;
    expect(await printed(format, (print) => print.stream(view, coming()))).toBe(streamed);
  });

  test("as JSON are an array with the very values", async () => {
    const text = await printed("json", (print) => print.rows(view, rows));
    expect(JSON.parse(text)).toEqual(rows.map((row) => ({ ...row, none: null })));
    expect(text).not.toMatch(/[\u0080-\u009f\u202e]/);
  });

  test.for(OUTPUT_FORMATS.filter((format) => format !== "table"))("of nothing are well-formed %s", async (format) => {
    const text = await printed(format, (print) => print.rows(view, []));
    expect(text).toBe({ json: "[]\n", jsonl: "", csv: "name,tags,none,not_here\r\n" }[format]);
  });
});

test.for([
  { format: "table", text: "name  a\ntags  x\n      y\n" },
  { format: "json", text: '{\n  "name": "a",\n  "tags": [\n    "x",\n    "y"\n  ],\n  "none": null\n}\n' },
  { format: "jsonl", text: '{"name":"a","tags":["x","y"],"none":null}\n' },
  { format: "csv", text: "name,tags,none,not_here\r\na,x y,,\r\n" },
] as const)("one thing as $format", async ({ format, text }) => {
  expect(await printed(format, (print) => print.one(view, rows[0] as Row))).toBe(text);
});

test.for([
  { when: "asked for", environment: { FORCE_COLOR: "1", NO_COLOR: undefined }, colored: true },
  { when: "it goes to a file", environment: { FORCE_COLOR: undefined, NO_COLOR: undefined }, colored: false },
  { when: "NO_COLOR says so", environment: { FORCE_COLOR: undefined, NO_COLOR: "1" }, colored: false },
])("a table when $when: colored is $colored", async ({ environment, colored }) => {
  const before = { FORCE_COLOR: process.env["FORCE_COLOR"], NO_COLOR: process.env["NO_COLOR"] };
  const set = (values: NodeJS.ProcessEnv) => {
    for (const [name, value] of Object.entries(values)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
  onTestFinished(() => set(before));
  set(environment);
  const text = await printed("table", (print) => print.rows(view, rows.slice(0, 1)));
  expect(text.split("\n")[1]).toBe(colored ? "\u001b[32ma\u001b[39m     x y" : "a     x y");
});
