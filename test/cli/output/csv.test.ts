import { describe, expect, test } from "vitest";
import { formatCsvLine } from "../../../src/cli/output/csv.ts";

describe("a line of CSV", () => {
  test.for([
    { cell: "plain", value: "run-1", text: "run-1" },
    { cell: "nothing", value: null, text: "" },
    { cell: "a number", value: -7, text: "-7" },
    { cell: "yes or no", value: true, text: "true" },
    { cell: "a list", value: ["a", "b"], text: "a b" },
    { cell: "an object", value: { a: 1 }, text: '"{""a"":1}"' },
    { cell: "a comma", value: "a,b", text: '"a,b"' },
    { cell: "a quotation mark", value: 'say "a"', text: '"say ""a"""' },
    { cell: "a line feed", value: "a\nb", text: "a\\x0ab" },
    { cell: "a formula", value: "=HYPERLINK(A1)", text: "'=HYPERLINK(A1)" },
    { cell: "a formula in quotes", value: '=A1&","', text: `"'=A1&"","""` },
    { cell: "a formula by +", value: "+1", text: "'+1" },
    { cell: "a formula by -", value: "-1+A1", text: "'-1+A1" },
    { cell: "a formula by @", value: "@SUM(A1)", text: "'@SUM(A1)" },
    { cell: "a formula by a wide =", value: "＝A1", text: "'＝A1" },
    { cell: "a formula behind a carriage return", value: "\r=A1", text: "\\x0d=A1" },
    { cell: "a formula behind a tab", value: "\t=A1", text: "\\x09=A1" },
    { cell: "a list that begins as a formula", value: ["=A1", "b"], text: "'=A1 b" },
  ])("with $cell", ({ value, text }) => {
    expect(formatCsvLine([value, "next"])).toBe(`${text},next\r\n`);
  });
});
