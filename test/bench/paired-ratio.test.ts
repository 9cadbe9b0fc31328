import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { median, pairedRatio, standing, studentT } from "../../scripts/bench/paired-ratio.ts";

describe("Student's t", () => {
  // As printed in every table of it.
  test.for([
    { probability: 0.95, degreesOfFreedom: 1, t: 12.706 },
    { probability: 0.95, degreesOfFreedom: 2, t: 4.303 },
    { probability: 0.95, degreesOfFreedom: 3, t: 3.182 },
    { probability: 0.95, degreesOfFreedom: 4, t: 2.776 },
    { probability: 0.95, degreesOfFreedom: 9, t: 2.262 },
    { probability: 0.95, degreesOfFreedom: 10, t: 2.228 },
    { probability: 0.95, degreesOfFreedom: 29, t: 2.045 },
    { probability: 0.95, degreesOfFreedom: 120, t: 1.98 },
    { probability: 0.99, degreesOfFreedom: 9, t: 3.25 },
  ])("$probability of $degreesOfFreedom degrees of freedom is within $t", ({ probability, degreesOfFreedom, t }) => {
    expect(studentT(probability, degreesOfFreedom)).toBeCloseTo(t, 3);
  });
});

describe("a ratio of pairs", () => {
  test("is the geometric mean of theirs", () => {
    // Twice as fast and half as fast come to no difference.
    expect(pairedRatio([100, 100], [200, 50], "more").ratio).toBeCloseTo(1, 12);
    expect(pairedRatio([100, 200, 400], [110, 220, 440], "more").ratio).toBeCloseTo(1.1, 12);
  });

  test("has the interval of Student's t, on the logarithm", () => {
    // Logarithms of the ratios: 0.1, 0.2, 0.3. Mean 0.2, standard deviation 0.1, standard error 0.1 / √3, t of 2 is 4.3027.
    const base = [10, 20, 30];
    const head = base.map((one, index) => one * Math.exp(0.1 * (index + 1)));
    const { ratio, low, high } = pairedRatio(base, head, "more");
    expect(Math.log(ratio)).toBeCloseTo(0.2, 9);
    expect(Math.log(low)).toBeCloseTo(0.2 - (4.3027 * 0.1) / Math.sqrt(3), 4);
    expect(Math.log(high)).toBeCloseTo(0.2 + (4.3027 * 0.1) / Math.sqrt(3), 4);
  });

  test("is turned where less is better, interval included", () => {
    const [base, head] = [
      [10, 11, 12],
      [20, 23, 22],
    ] as const;
    const [more, less] = [pairedRatio(base, head, "more"), pairedRatio(base, head, "less")];
    expect(more.ratio).toBeGreaterThan(1);
    expect(less.ratio).toBeCloseTo(1 / more.ratio, 12);
    expect(less.low).toBeCloseTo(1 / more.high, 12);
    expect(less.high).toBeCloseTo(1 / more.low, 12);
  });

  const positive = fc.double({ min: 1e-3, max: 1e6, noNaN: true });
  const rounds = fc.array(fc.tuple(positive, positive, positive), { minLength: 2, maxLength: 30 });

  test("doesn't change with what makes a whole round faster or slower", () => {
    fc.assert(
      fc.property(rounds, (values) => {
        const still = pairedRatio(
          values.map(([base]) => base),
          values.map(([, head]) => head),
          "more",
        );
        const moved = pairedRatio(
          values.map(([base, , machine]) => base * machine),
          values.map(([, head, machine]) => head * machine),
          "more",
        );
        expect(Math.log(moved.ratio)).toBeCloseTo(Math.log(still.ratio), 6);
        expect(Math.log(moved.low)).toBeCloseTo(Math.log(still.low), 6);
      }),
    );
  });

  test("lies within its interval", () => {
    fc.assert(
      fc.property(rounds, fc.constantFrom("more" as const, "less" as const), (values, better) => {
        const { ratio, low, high } = pairedRatio(
          values.map(([base]) => base),
          values.map(([, head]) => head),
          better,
        );
        expect(low).toBeLessThanOrEqual(ratio);
        expect(ratio).toBeLessThanOrEqual(high);
      }),
    );
  });

  test.for([
    { what: "one round", base: [1], head: [1] },
    { what: "rounds of the base alone", base: [1, 2, 3], head: [1, 2] },
    { what: "rounds of the head alone", base: [1, 2], head: [1, 2, 3] },
  ])("is not made of $what", ({ base, head }) => {
    expect(() => pairedRatio(base, head, "more")).toThrow("a ratio takes");
  });

  test.for([
    { what: "a round in which nothing was done", base: [1, 2], head: [1, 0] },
    { what: "a figure that is missing", base: [1, Number.NaN], head: [1, 2] },
  ])("is unknown with $what, and the other rows of a long measurement are not lost for it", ({ base, head }) => {
    const compared = pairedRatio(base, head, "more");
    expect(compared).toStrictEqual({ ratio: Number.NaN, low: Number.NaN, high: Number.NaN });
    expect(standing(compared, 0.97)).toBe("unknown");
  });
});

test.for([
  { low: 0.98, high: 1.2, stands: "above" },
  { low: 0.97, high: 1.2, stands: "above" },
  { low: 0.9, high: 1.2, stands: "reached" },
  { low: 0.9, high: 0.97, stands: "reached" },
  { low: 0.9, high: 0.96, stands: "below" },
])("an interval from $low to $high with respect to 0.97: $stands", ({ low, high, stands }) => {
  expect(standing({ ratio: (low + high) / 2, low, high }, 0.97)).toBe(stands);
});

test("the median of an odd number is the middle one, of an even number lies between the middle two", () => {
  expect(median([5, 1, 100])).toBe(5);
  expect(median([5, 1, 100, 7])).toBe(6);
});
