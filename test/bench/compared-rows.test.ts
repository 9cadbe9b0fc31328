import { expect, test } from "vitest";
import { createComparison, type Figure } from "../../scripts/bench/compared-rows.ts";
import type { Loaded } from "../../scripts/bench/measurements.ts";

type Seen = { readonly rate: number; readonly ms: number };

const FIGURES: readonly Figure<Seen>[] = [
  ["a second", "more", ({ rate }) => rate],
  ["ms", "less", ({ ms }) => ms],
];

const loaded = (generator: number, others: number): Loaded => ({
  count: 1,
  wallSeconds: 2,
  p50Ms: 1,
  p99Ms: 1,
  maxMs: 1,
  failures: { "status 14": generator * 10, "status 8": 1 },
  cpuSeconds: { broker: 1, generator, others },
});

test("each figure is a row of its own: one value a round, whatever the number of slices", () => {
  const comparison = createComparison();
  comparison.add("Open", FIGURES, {
    base: [
      { rate: 100, ms: 1 },
      { rate: 300, ms: 3 },
    ],
    head: [{ rate: 400, ms: 1 }],
  });
  comparison.add("Open", FIGURES, { base: [{ rate: 100, ms: 2 }], head: [{ rate: 200, ms: 1 }] });

  const [rate, ms] = comparison.rows();
  expect(rate).toMatchObject({ what: "Open", unit: "a second", reaches: true });
  expect(rate?.values.base.map(Math.round)).toEqual([200, 100]);
  expect(rate?.values.head.map(Math.round)).toEqual([400, 200]);
  expect(rate?.base).toBeCloseTo(150, 9);
  expect(rate?.head).toBeCloseTo(300, 9);
  expect(rate?.ratio).toBeCloseTo(2, 9);
  // Half the time is twice as good.
  expect(ms?.ratio).toBeCloseTo(2, 9);
  expect(ms?.load).toBeUndefined();
});

test("an interval that ends below 0.97 does not reach it", () => {
  const comparison = createComparison();
  for (const [base, head] of [
    [100, 90],
    [200, 181],
    [300, 271],
  ] as const) {
    comparison.add("Open", FIGURES, { base: [{ rate: base, ms: base }], head: [{ rate: head, ms: head }] });
  }
  const [rate, ms] = comparison.rows();
  expect(rate?.reaches).toBe(false);
  expect(ms?.reaches).toBe(true);
});

test("of the load it tells the generator at its busiest, the average of all others, and all that failed", () => {
  const comparison = createComparison();
  const slices = { base: [{ rate: 1, ms: 1 }], head: [{ rate: 1, ms: 1 }] };
  comparison.add("Open", FIGURES, slices, [loaded(0.2, 1), loaded(0.8, 0)]);
  comparison.add("Open", FIGURES, slices, [loaded(0.4, 2), loaded(0.4, 1)]);
  expect(comparison.rows()[0]?.load).toEqual({ generatorCpu: 0.4, othersCpu: 0.5, failed: 22 });
});
