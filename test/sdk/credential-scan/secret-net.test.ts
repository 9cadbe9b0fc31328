import fc from "fast-check";
import { expect, test } from "vitest";
import { createSecretNet } from "../../../src/sdk/credential-scan/secret-net.ts";

const secret = fc.string({ unit: "grapheme-ascii", minLength: 8, maxLength: 64 });
const around = fc.string({ unit: "grapheme-ascii", maxLength: 20 });
const ENCODINGS: Readonly<Record<string, (text: string) => string>> = {
  plain: (text) => text,
  json: (text) => JSON.stringify(text),
  "json in json": (text) => JSON.stringify(JSON.stringify(text)),
  "json, all escaped": (text) =>
    [...text].map((one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""),
  percent: encodeURIComponent,
  form: (text) => new URLSearchParams({ text }).toString(),
  hex: (text) => Buffer.from(text).toString("hex"),
  "hex, upper case": (text) => Buffer.from(text).toString("hex").toUpperCase(),
  base64: (text) => Buffer.from(text).toString("base64"),
  base64url: (text) => Buffer.from(text).toString("base64url"),
};

// Goal: a secret is found wherever it stands in what was encoded, in each of these encodings.
test.for(Object.keys(ENCODINGS))("finds a secret that was encoded together with what is around it: %s", (name) => {
  const encoded = ENCODINGS[name] ?? String;
  fc.assert(
    fc.property(secret, around, around, (value, before, after) => {
      expect(createSecretNet([value]).holds(encoded(before + value + after))).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test("finds a secret that comes in pieces, and only then", () => {
  fc.assert(
    fc.property(secret, around, around, fc.nat(), (value, before, after, cut) => {
      const text = before + value + after;
      const at = cut % (text.length + 1);
      const holds = createSecretNet([value]).piecewise();
      const found = [text.slice(0, at), text.slice(at)].map((piece) => holds(piece));
      expect(found.includes(true)).toBe(true);
      const other = createSecretNet([`\u0001${value}`]).piecewise();
      expect([text.slice(0, at), text.slice(at)].some((piece) => other(piece))).toBe(false);
    }),
    { numRuns: 300 },
  );
});

test("without secrets nothing is held back", () => {
  const net = createSecretNet([]);
  expect([net.holds("anything"), net.piecewise()("anything")]).toEqual([false, false]);
});

test("text that has nothing to do with the secret passes", () => {
  const net = createSecretNet(["s3cr3t-k3y/with+odd=characters"]);
  fc.assert(fc.property(fc.string({ maxLength: 2_000 }), (text) => !net.holds(text)));
});
