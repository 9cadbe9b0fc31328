import fc from "fast-check";
import { expect, test } from "vitest";
import { type CanonicalValue, canonicalJson } from "../../src/domain/canonical-json.ts";
import { BrokerError } from "../../src/domain/errors.ts";

function textOf(value: CanonicalValue): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(canonicalJson(value));
}

test.for([
  { name: "an empty object", value: {}, text: "{}" },
  { name: "an empty list", value: [], text: "[]" },
  { name: "members by name", value: { b: 1, a: true, B: "x" }, text: '{"B":"x","a":true,"b":1}' },
  { name: "members that are absent", value: { a: undefined, b: 1 }, text: '{"b":1}' },
  { name: "the largest whole number", value: 9_007_199_254_740_991, text: "9007199254740991" },
  { name: "the smallest whole number", value: -9_007_199_254_740_991, text: "-9007199254740991" },
  { name: "negative zero", value: -0, text: "0" },
  { name: "control characters", value: "\b\t\n\f\r\u0000\u001f\u007f", text: '"\\b\\t\\n\\f\\r\\u0000\\u001f\u007f"' },
  { name: "quote, backslash and slash", value: '"\\/', text: '"\\"\\\\/"' },
  { name: "characters beyond ASCII", value: "€ö\u2028𝄞", text: '"€ö\u2028𝄞"' },
  // RFC 8785 section 3.2.3: by UTF-16 code units, so that U+1F600 comes before U+FB33.
  {
    name: "names beyond the basic plane",
    value: { "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\ud83d\ude00": 5, "\u0080": 6, "\u00f6": 7 },
    text: '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}',
  },
  { name: "lists in their order", value: [3, "a", [false], { z: 1 }], text: '[3,"a",[false],{"z":1}]' },
] as const)("prints $name in the one form there is", ({ value, text }) => {
  expect(textOf(value)).toBe(text);
});

test.for([
  { name: "a fraction", value: { a: 0.5 }, field: "a" },
  { name: "a number beyond 2^53", value: { a: 2 ** 53 }, field: "a" },
  { name: "NaN", value: { a: Number.NaN }, field: "a" },
  { name: "null", value: { a: null }, field: "a" },
  { name: "a list with a hole", value: { a: [undefined] }, field: "a" },
  { name: "a lone surrogate", value: { a: "\ud800" }, field: "a" },
  { name: "a lone surrogate in a name", value: { "\udc00": 1 }, field: "\udc00" },
  { name: "a date", value: { a: new Date(0) }, field: "a" },
  { name: "bytes", value: { a: new Uint8Array(2) }, field: "a" },
  { name: "a map", value: { a: new Map() }, field: "a" },
  { name: "a bigint", value: { a: 1n }, field: "a" },
  { name: "nothing at all", value: undefined, field: "value" },
])("refuses $name, naming the member", ({ value, field }) => {
  const print = () => canonicalJson(value as unknown as CanonicalValue);
  expect(print).toThrow(BrokerError);
  expect(print).toThrow(expect.objectContaining({ code: "INVALID_FIELD", metadata: { field } }));
});

test("refuses what is longer than an entry of the log may be, to the byte", () => {
  expect(canonicalJson("a".repeat(65_533))).toHaveLength(65_535);
  expect(() => canonicalJson("a".repeat(65_534))).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
  // Counted in bytes, not in characters.
  expect(() => canonicalJson("€".repeat(30_000))).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
});

const value: fc.Arbitrary<CanonicalValue> = fc.letrec<{ value: CanonicalValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.boolean(),
    fc.maxSafeInteger().map((one) => (Object.is(one, -0) ? 0 : one)),
    fc.string({ unit: "grapheme" }),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(fc.string({ unit: "grapheme" }), tie("value"), { maxKeys: 5 }),
  ),
})).value;

test("what was printed reads back as it was, and prints the same again", () => {
  fc.assert(
    fc.property(value, (one) => {
      const text = textOf(one);
      const read = JSON.parse(text) as CanonicalValue;
      expect(read).toEqual(one);
      expect(textOf(read)).toBe(text);
    }),
  );
});

test("the order in which members were set does not show", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.integer()), (members) => {
      const reversed = Object.fromEntries(Object.entries(members).reverse());
      expect(textOf(reversed)).toBe(textOf(members));
    }),
  );
});
