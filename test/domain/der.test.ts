import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bitStringOf,
  contextConstructed,
  derOf,
  integerOf,
  oidOf,
  sequenceOf,
  stringOf,
  TAG,
  TRUE,
  timeOf,
} from "../../src/domain/der.ts";
import {
  bitsOf,
  checkNested,
  DER_BYTES_MAX,
  DER_DEPTH_MAX,
  type DerElement,
  DerError,
  dottedOf,
  elementsOf,
  membersOf,
  parseDer,
  positiveOf,
} from "../../src/domain/der-reader.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";

const bytes = (hex: string): Uint8Array => Buffer.from(hex.replace(/ /g, ""), "hex");
const parse = (input: Uint8Array): DerElement => parseDer(input, input[0] ?? 0);
const hex = (encoded: Uint8Array): string => Buffer.from(encoded).toString("hex");

describe("writing", () => {
  test.for([
    { what: "an empty sequence", encoded: sequenceOf(), expected: "3000" },
    { what: "true", encoded: TRUE, expected: "0101ff" },
    { what: "zero", encoded: integerOf(Uint8Array.of(0)), expected: "020100" },
    { what: "no bytes as zero", encoded: integerOf(new Uint8Array()), expected: "020100" },
    { what: "127", encoded: integerOf(Uint8Array.of(127)), expected: "02017f" },
    { what: "128, with a byte for the sign", encoded: integerOf(Uint8Array.of(128)), expected: "02020080" },
    { what: "leading zeros dropped", encoded: integerOf(Uint8Array.of(0, 0, 1, 0)), expected: "02020100" },
    { what: "a bit string", encoded: bitStringOf(Uint8Array.of(1, 2)), expected: "0303000102" },
    { what: "rsaEncryption", encoded: oidOf("1.2.840.113549.1.1.1"), expected: "06092a864886f70d010101" },
    { what: "keyUsage", encoded: oidOf("2.5.29.15"), expected: "0603551d0f" },
    { what: "an arc of four octets", encoded: oidOf("1.3.6.1.4.1.2147483647"), expected: "060a2b0601040187ffffff7f" },
    { what: "[3] around", encoded: derOf(contextConstructed(3), TRUE), expected: "a3030101ff" },
    { what: "a string", encoded: stringOf(TAG.utf8String, "é"), expected: "0c02c3a9" },
  ])("writes $what", ({ encoded, expected }) => {
    expect(hex(encoded)).toBe(expected);
  });

  test.for([
    { bytes: 127, header: "047f" },
    { bytes: 128, header: "048180" },
    { bytes: 255, header: "0481ff" },
    { bytes: 256, header: "04820100" },
    { bytes: 65_535, header: "0482ffff" },
    { bytes: 65_536, header: "0483010000" },
  ])("writes a length of $bytes in its shortest form", ({ bytes, header }) => {
    const encoded = derOf(TAG.octetString, new Uint8Array(bytes));
    expect(hex(encoded).slice(0, header.length)).toBe(header);
    expect(encoded.length).toBe(header.length / 2 + bytes);
  });

  test.for([
    { at: "1970-01-01T00:00:00Z", tag: TAG.utcTime, text: "700101000000Z" },
    { at: "2000-02-29T12:34:56Z", tag: TAG.utcTime, text: "000229123456Z" },
    { at: "2049-12-31T23:59:59Z", tag: TAG.utcTime, text: "491231235959Z" },
    { at: "2050-01-01T00:00:00Z", tag: TAG.generalizedTime, text: "20500101000000Z" },
    { at: "2100-03-01T00:00:09Z", tag: TAG.generalizedTime, text: "21000301000009Z" },
    { at: "9999-12-31T23:59:59Z", tag: TAG.generalizedTime, text: "99991231235959Z" },
  ])("writes $at as $text", ({ at, tag, text }) => {
    expect(hex(timeOf((Date.parse(at) / 1_000) as UnixSeconds))).toBe(hex(stringOf(tag, text)));
  });
});

describe("reading", () => {
  test.for([
    { what: "nothing", input: "" },
    { what: "a tag alone", input: "30" },
    { what: "an indefinite length", input: "3080 0000" },
    { what: "a length in two octets that fits one", input: "30 8101 00" },
    { what: "a length of 127 in two octets", input: `04 817f ${"00".repeat(127)}` },
    { what: "a length with a leading zero octet", input: `04 820080 ${"00".repeat(128)}` },
    { what: "a length in four octets", input: "04 84 00000000" },
    { what: "the reserved length", input: "04 ff" },
    { what: "a length whose octets are missing", input: "04 82 01" },
    { what: "a content that is missing", input: "04 02 00" },
    { what: "a byte behind the end", input: "0500 00" },
    { what: "an end-of-contents mark", input: "0000" },
    { what: "a tag of two octets", input: "1f2000" },
    { what: "an octet string in pieces", input: "24 03 040100" },
    { what: "a sequence that is primitive", input: "1000" },
    { what: "a set that is primitive", input: "1100" },
  ])("refuses $what", ({ input }) => {
    expect(() => parse(bytes(input))).toThrow(DerError);
  });

  test("refuses another type than asked for, a set for a sequence too", () => {
    expect(() => parseDer(bytes("3100"), TAG.sequence)).toThrow(DerError);
    expect(parseDer(bytes("3000"), TAG.sequence).content).toHaveLength(0);
  });

  test("refuses what is larger than anything it is meant for", () => {
    expect(() => parse(derOf(TAG.octetString, new Uint8Array(DER_BYTES_MAX)))).toThrow(DerError);
  });

  test("refuses what is deeper than anything it is meant for, without running out of stack", () => {
    const nested = (depth: number): Uint8Array => {
      let encoded = sequenceOf();
      for (let level = 1; level < depth; level += 1) encoded = sequenceOf(encoded);
      return encoded;
    };
    checkNested(parse(nested(DER_DEPTH_MAX)));
    expect(() => checkNested(parse(nested(DER_DEPTH_MAX + 1)))).toThrow(DerError);
    expect(() => checkNested(parse(nested(10_000)))).toThrow(DerError);
  });

  test("finds an indefinite length that is nested in what nobody reads", () => {
    const outer = parse(bytes("30 06 a0 04 30 80 00 00"));
    expect(() => checkNested(outer)).toThrow(DerError);
  });

  test("gives exactly the members asked for, and refuses one more, one less or another", () => {
    const outer = parse(sequenceOf(TRUE, integerOf(Uint8Array.of(5))));
    const [flag, number] = membersOf(outer, TAG.boolean, TAG.integer);
    expect(flag.content).toEqual(Uint8Array.of(0xff));
    expect(hex(number.encoded)).toBe("020105");
    expect(() => membersOf(outer, TAG.boolean)).toThrow(DerError);
    expect(() => membersOf(outer, TAG.boolean, TAG.integer, TAG.null)).toThrow(DerError);
    expect(() => membersOf(outer, TAG.integer, TAG.boolean)).toThrow(DerError);
    expect(() => elementsOf(flag)).toThrow(DerError);
  });

  test.for([
    { what: "zero", input: "020100" },
    { what: "a negative one", input: "020180" },
    { what: "an empty one", input: "0200" },
    { what: "a needless leading zero", input: "0202007f" },
    { what: "another type", input: "040101" },
  ])("does not take $what for a positive integer", ({ input }) => {
    expect(() => positiveOf(parse(bytes(input)))).toThrow(DerError);
  });

  test.for([
    { what: "unused bits", input: "03020780" },
    { what: "no count of unused bits", input: "0300" },
    { what: "another type", input: "04020000" },
  ])("does not take $what for whole bytes", ({ input }) => {
    expect(() => bitsOf(parse(bytes(input)))).toThrow(DerError);
  });

  test.for([
    { what: "an empty one", input: "0600" },
    { what: "an arc that does not end", input: "06022a86" },
    { what: "an arc with a needless octet", input: "06032a8001" },
    { what: "an arc of 2^31, which Go refuses", input: "06062a8880808000" },
    { what: "one of 33 bytes", input: `0621${"2a".repeat(33)}` },
    { what: "another type", input: "04012a" },
  ])("does not take $what for an object identifier", ({ input }) => {
    expect(() => dottedOf(parse(bytes(input)))).toThrow(DerError);
  });

  test.for(["0.9.2342", "1.2.840.10045.3.1.7", "2.5.4.3", "2.999.3", "1.3.6.1.4.1.2147483647"])(
    "reads %s back",
    (dotted) => {
      expect(dottedOf(parse(oidOf(dotted)))).toBe(dotted);
    },
  );

  test("reads back every positive integer that was written", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (magnitude) => {
        const first = magnitude.findIndex((octet) => octet !== 0);
        fc.pre(first !== -1);
        expect(hex(positiveOf(parse(integerOf(magnitude))))).toBe(hex(magnitude.subarray(first)));
      }),
    );
  });

  test("throws nothing but DerError, whatever it is given", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (input) => {
        try {
          const element = parse(input);
          checkNested(element);
          for (const inner of elementsOf(element)) dottedOf(inner);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(DerError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
