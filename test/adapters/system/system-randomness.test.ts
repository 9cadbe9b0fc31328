import { expect, test } from "vitest";
import { systemRandomness } from "../../../src/adapters/system/system-randomness.ts";

test("gives as many bytes as asked for, also more than it draws at a time, and none", () => {
  const randomness = systemRandomness();
  for (const count of [0, 1, 10, 16, 8_192, 8_193, 100_000]) expect(randomness.bytes(count)).toHaveLength(count);
});

test("never gives the same bytes twice, however often the pool is drawn anew", () => {
  const randomness = systemRandomness();
  const seen = new Set<string>();
  for (let round = 0; round < 5_000; round += 1) seen.add(Buffer.from(randomness.bytes(13)).toString("hex"));
  expect(seen.size).toBe(5_000);
});

test("what was given is the caller's own: changing it changes nothing that comes after", () => {
  const randomness = systemRandomness();
  const given = randomness.bytes(16);
  given.fill(0);
  expect(new Uint8Array(given.buffer)).toHaveLength(16);
  expect(randomness.bytes(16).every((octet) => octet === 0)).toBe(false);
});
