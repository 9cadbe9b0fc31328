import fc from "fast-check";
import { expect, test } from "vitest";
import { base64urlLength, base64urlOf, bytesOfBase64, bytesOfBase64url } from "../../src/domain/base64url.ts";

test("bytes come back as they were, from a text of the length foretold", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const text = base64urlOf(bytes);
      expect(text).toMatch(/^[A-Za-z0-9_-]*$/);
      expect(text.length).toBe(base64urlLength(bytes.length));
      expect(bytesOfBase64url(text)).toEqual(Uint8Array.from(bytes));
    }),
  );
});

test.for([
  { what: "padding", text: "AA==" },
  { what: "the other alphabet", text: "-_+/" },
  { what: "white space", text: "AA AA" },
  { what: "a line feed at the end", text: "AAAA\n" },
  { what: "bits left over", text: "AB" },
  { what: "a single character", text: "A" },
  { what: "a character of another script", text: "AAAÄ" },
])("refuses $what in base64url, so that no two texts are the same bytes", ({ text }) => {
  expect(bytesOfBase64url(text)).toBeUndefined();
});

test.for([
  { what: "missing padding", text: "AA" },
  { what: "the other alphabet", text: "-_-_" },
  { what: "line breaks", text: "AAAA\nAAAA" },
  { what: "bits left over", text: "AB==" },
])("refuses $what in base64", ({ text }) => {
  expect(bytesOfBase64(text)).toBeUndefined();
});

test("takes base64 with its padding", () => {
  expect(bytesOfBase64("+/8=")).toEqual(Uint8Array.of(0xfb, 0xff));
});
