import { expect, test } from "vitest";
import { insideOf, type Watched } from "../../scripts/bench/inside-broker.ts";
import type { Loaded } from "../../scripts/bench/measurements.ts";
import { pooled } from "../../scripts/bench/pooled.ts";

const slice = (count: number, ms: number, main: number): Loaded => ({
  count,
  wallSeconds: 1,
  p50Ms: ms,
  p99Ms: ms,
  maxMs: ms,
  failures: { "status 14": 1 },
  cpuSeconds: { broker: main, threads: { main }, generator: 1, others: 1 },
});

test("a slice weighs as much as was done in it, and one in which nothing was done says nothing of times", () => {
  const one = pooled([slice(100, 2, 0.1), slice(300, 6, 0.3), slice(0, Number.NaN, 0.4)]);
  expect(one).toMatchObject({ count: 400, wallSeconds: 3, p99Ms: 5, failures: { "status 14": 3 } });
  expect(one.cpuSeconds.broker).toBeCloseTo(0.8, 12);
  expect(one.cpuSeconds.threads?.["main"]).toBeCloseTo(0.8, 12);
});

test("CPU of a thread is told for one credential of all slices; groups are unknown where the broker does not count them", () => {
  const watched = (loopMaxMs: number, eventsACommit?: number): Watched => ({
    ...slice(1_000, 1, 0.2),
    loopP99Ms: 1,
    loopMaxMs,
    ...(eventsACommit === undefined ? {} : { eventsACommit }),
  });
  const seen = insideOf("JWT-SVID", [watched(3, 10), watched(7, 20)]);
  expect(seen).toMatchObject({ eventsACommit: 15, loopMaxMs: 7 });
  expect(seen.threadMicros["main"]).toBeCloseTo(200, 9);
  expect(insideOf("JWT-SVID", [watched(3)]).eventsACommit).toBeUndefined();
});
