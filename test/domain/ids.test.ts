import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesOfBase64url } from "../../src/domain/base64url.ts";
import { ID_RANDOM_BYTES, JTI_LENGTH, newId, newJti, newSerialNumber } from "../../src/domain/ids.ts";
import type { UnixMicros } from "../../src/domain/time.ts";

const now = 1_795_341_600_123_456 as UnixMicros;
const ones = new Uint8Array(ID_RANDOM_BYTES).fill(0xff);
const zeros = new Uint8Array(ID_RANDOM_BYTES);
const random = fc.uint8Array({ minLength: ID_RANDOM_BYTES, maxLength: ID_RANDOM_BYTES });

// Wire-visible: changing any of these changes what others have stored.
test.for([
  { kind: "step", expected: "step_01a202b2-c57b-7fff-bfff-ffffffffffff" },
  { kind: "issuance", expected: "iss_01a202b2-c57b-7fff-bfff-ffffffffffff" },
  { kind: "decision", expected: "dec_01a202b2-c57b-7fff-bfff-ffffffffffff" },
  { kind: "entry", expected: "entry_01a202b2-c57b-7fff-bfff-ffffffffffff" },
  { kind: "epoch", expected: "epoch_01a202b2-c57b-7fff-bfff-ffffffffffff" },
] as const)("the id of a $kind is pinned", ({ kind, expected }) => {
  expect(newId(kind, now, ones)).toBe(expected);
});

test("version and variant are set whatever the random bytes are", () => {
  expect(newId("step", now, zeros)).toBe("step_01a202b2-c57b-7000-8000-000000000000");
});

test("a jti is 48 bits of time, then the 80 random ones", () => {
  const jti = newJti(now, ones);
  expect(jti).toHaveLength(JTI_LENGTH);
  expect(Buffer.from(bytesOfBase64url(jti) ?? []).toString("hex")).toBe(`01a202b2c57b${"ff".repeat(10)}`);
});

test("what is made a millisecond later sorts later, in ids and in the bytes of a jti", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 40 }), random, random, (millis, first, second) => {
      const before = (millis * 1_000 + 999) as UnixMicros;
      const after = (millis * 1_000 + 1_000) as UnixMicros;
      expect(newId("step", before, first) < newId("step", after, second)).toBe(true);
      const [a, b] = [newJti(before, first), newJti(after, second)].map((jti) => Buffer.from(jti, "base64url"));
      expect(Buffer.compare(a ?? Buffer.alloc(0), b ?? Buffer.alloc(0))).toBe(-1);
    }),
  );
});

test("every random byte counts: two ids of one instant differ when any byte does", () => {
  for (let index = 0; index < ID_RANDOM_BYTES; index += 1) {
    const other = zeros.slice();
    other[index] = 1;
    expect(newId("step", now, other)).not.toBe(newId("step", now, zeros));
    expect(newJti(now, other)).not.toBe(newJti(now, zeros));
  }
});

test("a serial number is positive in DER, without leading zero bytes, and at most 16 bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      fc.pre(bytes.some((octet, index) => (index === 0 ? octet & 0x7f : octet) !== 0));
      const serialNumber = newSerialNumber(bytes);
      expect(serialNumber).toMatch(/^(?:[0-9a-f]{2}){1,16}$/);
      expect(serialNumber).not.toMatch(/^00/);
      if (serialNumber.length === 32) expect(Number.parseInt(serialNumber.slice(0, 2), 16)).toBeLessThan(0x80);
    }),
  );
});

test("a serial number keeps every random bit but the sign's, zero bytes within it too", () => {
  const serialOf = (hex: string) => newSerialNumber(Buffer.from(hex, "hex"));
  expect(serialOf("ff00112233445566000099aabbccdd00")).toBe("7f00112233445566000099aabbccdd00");
  expect(serialOf("800000112233445566778899aabb00dd")).toBe("112233445566778899aabb00dd");
});

test("a serial number of zero is not made, and neither is anything from too few random bytes", () => {
  expect(() => newSerialNumber(new Uint8Array(16))).toThrow(RangeError);
  expect(() => newSerialNumber(new Uint8Array(15).fill(1))).toThrow(RangeError);
  expect(() => newId("step", now, new Uint8Array(9))).toThrow(RangeError);
  expect(() => newJti(now, new Uint8Array(11))).toThrow(RangeError);
});
