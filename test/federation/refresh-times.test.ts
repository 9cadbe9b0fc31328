import fc from "fast-check";
import { expect, test } from "vitest";
import { nextRefreshMs } from "../../src/federation/refresh-times.ts";

const secondsOf = (hintSeconds: number | undefined, failuresInARow = 0, random = 0.5) =>
  nextRefreshMs({ hintSeconds, failuresInARow, random }) / 1_000;

test.for([
  { what: "as its publisher recommends", hint: 60, seconds: 60 },
  { what: "every five minutes without a recommendation", hint: undefined, seconds: 300 },
  { what: "not more often than every 5 s", hint: 1, seconds: 5 },
  { what: "not without a pause", hint: 0, seconds: 5 },
  { what: "once an hour at least", hint: 86_400, seconds: 3_600 },
])("a bundle is asked for $what", ({ hint, seconds }) => {
  expect(secondsOf(hint)).toBe(seconds);
});

test("after a failure it is asked for soon, and with each further one half as often, until it is as often as ever", () => {
  expect([1, 2, 3, 4, 5, 6, 7, 8, 2_000].map((failures) => secondsOf(300, failures))).toEqual([
    5, 10, 20, 40, 80, 160, 300, 300, 300,
  ]);
  expect([1, 2, 3].map((failures) => secondsOf(8, failures))).toEqual([5, 8, 8]);
});

test("all of it is up to a tenth more or less, so that not all come at once", () => {
  expect([0, 0.25, 1].map((random) => secondsOf(300, 0, random))).toEqual([270, 285, 330]);
  const hints = fc.option(fc.nat({ max: Number.MAX_SAFE_INTEGER }), { nil: undefined });
  const random = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(
    fc.property(hints, fc.nat({ max: 5_000 }), random, (hint, failures, share) => {
      const [seconds, middle] = [secondsOf(hint, failures, share), secondsOf(hint, failures)];
      expect(middle).toBeGreaterThanOrEqual(5);
      expect(middle).toBeLessThanOrEqual(3_600);
      expect(Math.abs(seconds - middle)).toBeLessThanOrEqual(middle / 10 + 0.001);
    }),
  );
});
