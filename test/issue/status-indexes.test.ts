import fc from "fast-check";
import { expect, test } from "vitest";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { STATUS_LIST_SECONDS } from "../../src/domain/status-list.ts";
import { addSeconds, microsOf, type UnixMicros } from "../../src/domain/time.ts";
import { createStatusIndexes } from "../../src/issue/status-indexes.ts";
import { NOW } from "../samples/credentials.ts";

const AT = microsOf(NOW);
const later = (seconds: number): UnixMicros => microsOf(addSeconds(NOW, seconds));

test("no place is given twice, and a list that is full is followed by another", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 200 }), (tokens, count) => {
      const indexes = createStatusIndexes(systemRandomness(), tokens);
      const given = Array.from({ length: count }, () => indexes.next(AT));
      expect(new Set(given.map(({ list, index }) => `${list} ${index}`)).size).toBe(count);
      expect(new Set(given.map(({ list }) => list)).size).toBe(Math.ceil(count / tokens));
      for (const { index } of given) expect(index >= 0 && index < tokens).toBe(true);
    }),
  );
});

test("an index says nothing of the order: of two tokens in a row either may have the higher one, wherever they are", () => {
  const indexes = createStatusIndexes(systemRandomness());
  const drawn = Array.from({ length: 2_000 }, () => indexes.next(AT).index);
  const rises = drawn.filter((index, at) => at > 0 && index > (drawn[at - 1] ?? 0)).length;
  const upper = drawn.filter((index) => index >= 65_536).length;
  // Eleven standard deviations and more to either side.
  for (const count of [rises, upper]) expect(Math.abs(count - 1_000)).toBeLessThan(250);
});

test("a list takes tokens of ten minutes, and none of a time before its first", () => {
  const indexes = createStatusIndexes(systemRandomness());
  const { list } = indexes.next(AT);
  expect(indexes.next((later(STATUS_LIST_SECONDS) - 1) as UnixMicros).list).toBe(list);
  const second = indexes.next(later(STATUS_LIST_SECONDS)).list;
  expect(second).not.toBe(list);
  expect(indexes.next(AT).list).not.toBe(second);
});

test("another process, and a process that starts again, has other lists", () => {
  const [one, other] = [createStatusIndexes(systemRandomness()), createStatusIndexes(systemRandomness())];
  expect(one.next(AT).list).not.toBe(other.next(AT).list);
});
