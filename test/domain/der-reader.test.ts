import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { derOf, integerOf, TAG, TRUE, timeOf } from "../../src/domain/der.ts";
import { checkTrue, countOf, DerError, instantOf, namedBitsOf, parseDer } from "../../src/domain/der-reader.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";

const element = (tag: number, ...content: readonly number[]) => parseDer(derOf(tag, Uint8Array.from(content)), tag);
const timeElement = (tag: number, text: string) => element(tag, ...Buffer.from(text));

describe("a time", () => {
  test("comes out as it went in, from 1950 on", () => {
    const seconds = fc.integer({ min: Date.UTC(1950, 0) / 1_000, max: Date.UTC(9999, 11, 31) / 1_000 });
    fc.assert(
      fc.property(seconds, (instant) => {
        const encoded = timeOf(instant as UnixSeconds);
        expect(instantOf(parseDer(encoded, encoded[0] ?? 0))).toBe(instant);
      }),
    );
  });

  test.for([
    { text: "491231235959Z", iso: "2049-12-31T23:59:59Z" },
    { text: "500101000000Z", iso: "1950-01-01T00:00:00Z" },
    { text: "240229000000Z", iso: "2024-02-29T00:00:00Z" },
    { text: "20500101000000Z", iso: "2050-01-01T00:00:00Z" },
    { text: "99991231235959Z", iso: "9999-12-31T23:59:59Z" },
  ])("$text is $iso", ({ text, iso }) => {
    const tag = text.length === 13 ? TAG.utcTime : TAG.generalizedTime;
    expect(instantOf(timeElement(tag, text)) * 1_000).toBe(Date.parse(iso));
  });

  test.for([
    { is: "a day that there never was", tag: TAG.utcTime, text: "230229000000Z" },
    { is: "a thirteenth month", tag: TAG.utcTime, text: "231301000000Z" },
    { is: "month zero", tag: TAG.utcTime, text: "230001000000Z" },
    { is: "day zero", tag: TAG.utcTime, text: "230100000000Z" },
    { is: "hour 24", tag: TAG.utcTime, text: "230101240000Z" },
    { is: "a leap second", tag: TAG.utcTime, text: "161231235960Z" },
    { is: "no seconds", tag: TAG.utcTime, text: "2301010000Z" },
    { is: "another zone", tag: TAG.utcTime, text: "230101000000+0100" },
    { is: "no zone", tag: TAG.utcTime, text: "230101000000" },
    { is: "a small z", tag: TAG.utcTime, text: "230101000000z" },
    { is: "a part of a second", tag: TAG.generalizedTime, text: "20500101000000.5Z" },
    { is: "four digits for a year that takes two", tag: TAG.generalizedTime, text: "20490101000000Z" },
    { is: "a year of two digits where four belong", tag: TAG.generalizedTime, text: "500101000000Z" },
    { is: "four digits where two belong", tag: TAG.utcTime, text: "20500101000000Z" },
    { is: "letters for digits", tag: TAG.utcTime, text: "23o101000000Z" },
    { is: "something after the end of a line", tag: TAG.utcTime, text: "230101000000Z\n" },
    { is: "a text", tag: TAG.utf8String, text: "230101000000Z" },
  ])("of $is is refused", ({ tag, text }) => {
    expect(() => instantOf(timeElement(tag, text))).toThrow(DerError);
  });
});

describe("named bits", () => {
  test.for([
    { content: [0], bits: [] },
    { content: [7, 0x80], bits: [0] },
    { content: [1, 0x06], bits: [5, 6] },
    { content: [7, 0x80, 0x80], bits: [0, 8] },
    { content: [0, 0xff], bits: [0, 1, 2, 3, 4, 5, 6, 7] },
  ])("$content are $bits", ({ content, bits }) => {
    expect([...namedBitsOf(element(TAG.bitString, ...content))]).toEqual(bits);
  });

  test.for([
    { is: "nothing", content: [] },
    { is: "bits that are unused and set", content: [7, 0xc0] },
    { is: "a zero bit at the end", content: [6, 0x80] },
    { is: "a zero byte at the end", content: [0, 0x80, 0] },
    { is: "unused bits of nothing", content: [1] },
    { is: "more unused bits than a byte has", content: [8, 0x80] },
  ])("with $is are refused", ({ content }) => {
    expect(() => namedBitsOf(element(TAG.bitString, ...content))).toThrow(DerError);
  });

  test("are a bit string", () => {
    expect(() => namedBitsOf(element(TAG.octetString, 7, 0x80))).toThrow(DerError);
  });
});

describe("a boolean that is not left out", () => {
  test("is true", () => {
    expect(() => checkTrue(parseDer(TRUE, TAG.boolean))).not.toThrow();
  });

  test.for([[0], [1], [], [0xff, 0xff]])("and is neither %j", (content) => {
    expect(() => checkTrue(element(TAG.boolean, ...content))).toThrow(DerError);
  });
});

describe("a count", () => {
  test.for([0, 1, 127, 128, 65_535])("of %i comes out as it went in", (count) => {
    const magnitude = Buffer.alloc(4);
    magnitude.writeUInt32BE(count);
    expect(countOf(parseDer(integerOf(magnitude), TAG.integer))).toBe(count);
  });

  test.for([[], [0xff], [0, 1], [0, 0], [1, 0, 0, 0, 0]])("is not %j", (content) => {
    expect(() => countOf(element(TAG.integer, ...content))).toThrow(DerError);
  });
});
