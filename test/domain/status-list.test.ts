import { deflateSync, inflateSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { invalidate, isValidAt, newStatusBits, newStatusListName, statusClaim } from "../../src/domain/status-list.ts";

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
