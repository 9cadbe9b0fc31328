import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Block } from "../../../src/adapters/pdf-pdfkit/blocks.ts";
import { pdfBytes } from "../../../src/adapters/pdf-pdfkit/pdf-bytes.ts";
import { winAnsiText } from "../../../src/adapters/pdf-pdfkit/win-ansi.ts";
import { streamsOf, textOfPdf } from "./pdf-text.ts";

const about = {
  title: "A title",
  madeBy: "stint 0.2.0",
  madeAt: new Date("2026-11-30T12:00:00Z"),
  attachment: { name: "data.json", bytes: Buffer.from('{"a":1}'), description: "data" },
};
const made = (blocks: readonly Block[]) => pdfBytes(blocks, about);

test("a document has the text of all its parts, in order, and the file that is attached", async () => {
  const pdf = await made([
    { kind: "heading", level: 1, id: "top", text: "Top" },
    { kind: "facts", facts: [["Term", "said"]] },
    { kind: "heading", level: 2, id: "part", text: "Part" },
    {
      kind: "text",
      runs: [{ text: "See " }, { text: "there", to: "top" }, { text: ", it is " }, { text: "so", strong: true }],
    },
    { kind: "list", items: [[{ text: "one" }], [{ text: "two" }]] },
    { kind: "table", caption: "Counted", head: ["Value", "Count"], rows: [[{ text: "researcher" }, { text: "7" }]] },
    { kind: "code", text: "line 1\nline 2" },
  ]);
  const shown = textOfPdf(pdf).replaceAll(/\s+/g, " ");
  const all = [
    "Top",
    "Term: said",
    "Part",
    "See there , it is so",
    "one",
    "two",
    "Counted",
    "Value Count",
    "researcher 7",
    "line 1 line 2",
  ];
  const places = all.map((text) => shown.indexOf(text));
  expect(places).not.toContain(-1);
  expect(places).toEqual(places.toSorted((a, b) => a - b));
  expect(shown).toContain("A title · 1 / 1");
  const attached = streamsOf(pdf).find(({ dictionary }) => dictionary.includes("/EmbeddedFile"));
  expect(attached?.bytes.toString()).toBe('{"a":1}');
});

test("what reads it aloud knows its language and its parts", async () => {
  const pdf = await made([
    { kind: "heading", level: 1, id: "top", text: "Top" },
    { kind: "heading", level: 2, id: "part", text: "Part" },
    { kind: "table", caption: "C", head: ["V", "N"], rows: [[{ text: "v" }, { text: "1" }]] },
  ]);
  const objects = Buffer.from(pdf).toString("latin1");
  expect(objects).toContain("/Lang (en)");
  expect(objects).toContain("/Marked true");
  for (const part of ["Document", "H1", "H2", "Table", "Caption", "TR", "TH", "TD"])
    expect(objects).toContain(`/S /${part}`);
  expect(objects).toContain("/DisplayDocTitle true");
});

test("many pages are numbered, each once", async () => {
  const pdf = await made(
    Array.from({ length: 200 }, (_, index): Block => ({ kind: "text", runs: [{ text: `Line ${index}.` }] })),
  );
  const shown = textOfPdf(pdf);
  const pages = [...shown.matchAll(/· +(\d+) \/ (\d+)/g)].map(([, page, all]) => [Number(page), Number(all)]);
  expect(pages.length).toBeGreaterThan(2);
  expect(pages).toEqual(pages.map((_, index) => [index + 1, pages.length]));
  for (let index = 0; index < 200; index += 1) expect(shown).toContain(`Line ${index}.`);
});

test("text that goes over the end of a page keeps its font", async () => {
  const text = Array.from({ length: 120 }, (_, index) => `line ${index}`).join("\n");
  const pdf = await made([{ kind: "code", text }]);
  const pages = streamsOf(pdf).flatMap(({ bytes }) => (bytes.includes(" Tf") ? [bytes.toString("latin1")] : []));
  expect(pages.length).toBeGreaterThan(1);
  // What is drawn last is the foot.
  const fonts = pages.map((page) => [...page.matchAll(/\/(F\d+) 8 Tf/g)].slice(0, -1).map(([, font]) => font));
  expect(new Set(fonts.flat()).size).toBe(1);
});

test("what follows a part without text at its end begins a line of its own", async () => {
  const pdf = await made([
    { kind: "text", runs: [{ text: "7", strong: true }, { text: "" }] },
    { kind: "code", text: "stint history" },
  ]);
  const [page] = streamsOf(pdf).flatMap(({ bytes }) => (bytes.includes(" Tf") ? [bytes.toString("latin1")] : []));
  const heights = [...(page ?? "").matchAll(/1 0 0 1 \S+ (\S+) Tm/g)].map(([, height]) => Number(height));
  expect(heights[0]).toBeGreaterThan((heights[1] ?? 0) + 8);
});

test("the same parts make the same bytes", async () => {
  const blocks: readonly Block[] = [{ kind: "text", runs: [{ text: "x" }] }];
  expect(Buffer.from(await made(blocks)).equals(Buffer.from(await made(blocks)))).toBe(true);
});

describe("text that the standard fonts do not have", () => {
  test.for([
    { text: "Zoë – “ok”…", shown: "Zoë – “ok”…" },
    { text: "שלום", shown: "\\u{5e9}\\u{5dc}\\u{5d5}\\u{5dd}" },
    { text: "a\u00adb", shown: "a\\u{ad}b" },
    { text: "😀", shown: "\\u{1f600}" },
    { text: "a\tb", shown: "a\\u{9}b" },
  ])("is told by number: $text", ({ text, shown }) => {
    expect(winAnsiText(text)).toBe(shown);
  });

  test("makes no document fail, and is all there", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 64 }), async (text) => {
        const pdf = await made([{ kind: "code", text: `<${text}>` }]);
        const shown = textOfPdf(pdf).split("\nA title")[0] ?? "";
        expect(shown.replaceAll(/\s/g, "")).toBe(winAnsiText(`<${text}>`).replaceAll(/\s/g, ""));
      }),
      { numRuns: 50 },
    );
  });
});
