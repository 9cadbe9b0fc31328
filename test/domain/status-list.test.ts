import { deflateSync, inflateSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  invalidate,
  isValidAt,
  newStatusBits,
  newStatusListName,
  STATUS_SIZES,
  type Statuses,
  statusAt,
  statusClaim,
  withInvalidOf,
} from "../../src/domain/status-list.ts";

test("the vector of draft-ietf-oauth-status-list section 4.1: the first token is in the lowest bit", () => {
  const statuses = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1];
  const bits = newStatusBits(statuses.length);
  for (const [index, status] of statuses.entries()) if (status === 1) invalidate(bits, index);
  expect(Buffer.from(bits).toString("hex")).toBe("b9a3");
  expect(deflateSync(bits, { level: 9 }).toString("base64url")).toBe("eNrbuRgAAhcBXQ");
  expect(inflateSync(Buffer.from("eNrbuRgAAhcBXQ", "base64url")).toString("hex")).toBe("b9a3");
});

test("what was invalidated is invalid, once for all, and nothing else is", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(999)), (indexes) => {
      const bits = newStatusBits(1_000);
      const known = new Set<number>();
      for (const index of indexes) {
        expect(invalidate(bits, index)).toBe(!known.has(index));
        known.add(index);
      }
      for (let index = 0; index < 1_000; index += 1) expect(isValidAt(bits, index)).toBe(!known.has(index));
    }),
  );
});

test.for([8, -1, 0.5, Number.NaN, 2 ** 40])("no status is at an index that the list does not have: %s", (index) => {
  expect(isValidAt(newStatusBits(8), index)).toBe(undefined);
});

test("the claim names list and index as verifiers look for them", () => {
  expect(statusClaim("https://stint.example.org", { list: "AbCdEfGhIjKl", index: 7 })).toEqual({
    status_list: { idx: 7, uri: "https://stint.example.org/status/AbCdEfGhIjKl" },
  });
});

test("a name is made of all its random bytes, and of no fewer", () => {
  expect(newStatusListName(Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9]))).toBe("AQIDBAUGBwgJ");
  expect(() => newStatusListName(new Uint8Array(8))).toThrow(RangeError);
});

test("the vector of draft-ietf-oauth-status-list section 4.1 of two bits", () => {
  const statuses = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3];
  const bytes = inflateSync(Buffer.from("eNo76fITAAPfAgc", "base64url"));
  expect(bytes.toString("hex")).toBe("c944f9");
  expect(statuses.map((_, index) => statusAt({ bits: 2, bytes }, index))).toEqual(statuses);
  expect(statusAt({ bits: 2, bytes }, 12)).toBe(undefined);
});

test.for([
  { bits: 1, lst: "eNpjYAACAAAFAAE" },
  { bits: 2, lst: "eNpbsAAKGAAhygWh" },
  { bits: 4, lst: "eNpr0HN5xLHsTFYDnGYBAFSzCCM" },
  { bits: 8, lst: "eNoBJQDa_wAIHkJ0tAJeyEDGWvysajYQ-O7yBCRSjtgwlgqMHLpmIOi-opQhlhC9" },
] as const)(
  "a list of $bits bits that @sd-jwt/jwt-status-list 0.19.0 has written is read as it was meant",
  ({ bits, lst }) => {
    const bytes = inflateSync(Buffer.from(lst, "base64url"));
    const meant = Array.from({ length: 37 }, (_, index) => (index * index * 7 + index) % 2 ** bits);
    expect(meant.map((_, index) => statusAt({ bits, bytes }, index))).toEqual(meant);
  },
);

/** Packed by arithmetic, and so unlike what reads it. */
function packed(bits: Statuses["bits"], statuses: readonly number[]): Statuses {
  let whole = 0n;
  for (const [index, status] of statuses.entries()) whole += BigInt(status) * 2n ** BigInt(index * bits);
  const bytes = Math.ceil((statuses.length * bits) / 8);
  const hex = whole.toString(16).padStart(2 * bytes, "0");
  return { bits, bytes: bytes === 0 ? new Uint8Array() : Uint8Array.from(Buffer.from(hex, "hex").reverse()) };
}

const sizes = fc.constantFrom(...STATUS_SIZES);
const listOf = (bits: Statuses["bits"]) => fc.array(fc.nat(2 ** bits - 1), { maxLength: 70 });

test("every status is read as it was packed, of any size", () => {
  fc.assert(
    fc.property(
      sizes.chain((bits) => fc.tuple(fc.constant(bits), listOf(bits))),
      ([bits, statuses]) => {
        const list = packed(bits, statuses);
        expect(statuses.map((_, index) => statusAt(list, index))).toEqual(statuses);
        expect(statusAt(list, (list.bytes.length * 8) / bits)).toBe(undefined);
      },
    ),
  );
});

test("what an earlier list has as invalid stays invalid, and everything else is as the later one says", () => {
  fc.assert(
    fc.property(
      sizes.chain((bits) => fc.tuple(fc.constant(bits), listOf(bits), listOf(bits))),
      ([bits, before, after]) => {
        const list = withInvalidOf(packed(bits, before), packed(bits, after));
        expect(after.map((_, index) => statusAt(list, index))).toEqual(
          after.map((status, index) => (before[index] === 1 ? 1 : status)),
        );
      },
    ),
  );
});
