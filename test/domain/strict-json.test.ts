import fc from "fast-check";
import { expect, test } from "vitest";
import { parseStrictObject } from "../../src/domain/strict-json.ts";

function parse(text: string) {
  return parseStrictObject(Buffer.from(text));
}

const objects = fc
  .dictionary(
    fc.string().filter((name) => name !== "__proto__"),
    fc.jsonValue({ maxDepth: 4 }),
  )
  // A member that is never read back as such cannot be compared.
  .filter((object) => !JSON.stringify(object).includes("__proto__"));

test("an object comes out as it went in, with or without white space", () => {
  fc.assert(
    fc.property(objects, fc.nat(4), (object, indent) => {
      const text = JSON.stringify(object, undefined, indent);
      expect(parse(text)).toEqual(JSON.parse(text));
    }),
  );
});

test("a member that is there twice is refused, at any depth and in any spelling", () => {
  fc.assert(
    fc.property(
      objects,
      fc.string(),
      fc.jsonValue(),
      fc.nat(3),
      fc.boolean(),
      (object, name, value, depth, escaped) => {
        fc.pre(name !== "__proto__" && !JSON.stringify(value).includes("__proto__"));
        const plain = JSON.stringify(name);
        const spelled = escaped ? `"${[...name].map(escapeUnits).join("")}"` : plain;
        const rest = JSON.stringify({ ...object, [name]: value }).slice(1);
        const twice = `{${spelled}:0,${rest}`;
        let nested = twice;
        for (let level = 0; level < depth; level += 1) nested = `{"in":[${nested}]}`;
        expect(parse(nested)).toBeUndefined();
      },
    ),
  );
});

test.for([
  { text: '{"a":1,"a":1}', is: "two equal members" },
  { text: '{"a":1,"\\u0061":1}', is: "two spellings of one member" },
  { text: '{"a":{"b":1,"b":2}}', is: "two within" },
  { text: '{"__proto__":{}}', is: "a member named __proto__" },
  { text: '{"a":{"__proto__":1}}', is: "one within" },
  { text: "[]", is: "a list" },
  { text: "null", is: "null" },
  { text: '"a"', is: "a string" },
  { text: "", is: "nothing" },
  { text: '{"a":1}x', is: "something behind it" },
  { text: '\ufeff{"a":1}', is: "a byte order mark" },
  { text: "{'a':1}", is: "other quotes" },
  { text: '{"a":01}', is: "a number that JSON does not know" },
  { text: `${'{"a":'.repeat(17)}1${"}".repeat(17)}`, is: "nested too deep" },
  { text: `{"a":${"[".repeat(16)}1${"]".repeat(16)}}`, is: "nested too deep in lists" },
])("$is is refused", ({ text }) => {
  expect(parse(text)).toBeUndefined();
});

test("16 levels are not too deep, be they objects or lists", () => {
  for (const text of [`${'{"a":'.repeat(16)}1${"}".repeat(16)}`, `{"a":${"[".repeat(15)}1${"]".repeat(15)}}`]) {
    expect(parse(text)).toEqual(JSON.parse(text));
  }
});

test("bytes that are not UTF-8 are refused rather than replaced", () => {
  expect(parseStrictObject(Buffer.from([0x7b, 0x22, 0xc0, 0x80, 0x22, 0x3a, 0x31, 0x7d]))).toBeUndefined();
});

function escapeUnits(text: string): string {
  return [...Array(text.length).keys()]
    .map((index) => `\\u${text.charCodeAt(index).toString(16).padStart(4, "0")}`)
    .join("");
}
