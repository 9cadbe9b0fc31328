import fc from "fast-check";
import { expect, test } from "vitest";
import type { Action } from "../../../src/domain/grant.ts";
import {
  boundMsOf,
  type Confirmation,
  clockOffsetMs,
  isConclusive,
  type StalenessBounds,
  stalenessMs,
  unfitness,
} from "../../../src/sdk/verifier/freshness.ts";

const START_MS = 1_800_000_000_000;
/** A ping sent at 0, answered at once by a broker whose clock is ours. */
const CONFIRMED: Confirmation = {
  sent: { wallMs: START_MS, monotonicMs: 0 },
  received: { wallMs: START_MS, monotonicMs: 0 },
  brokerTimeMs: START_MS,
};

function after(wallMs: number, monotonicMs = wallMs) {
  return { wallMs: START_MS + wallMs, monotonicMs };
}

test.for([
  { of: "just now", now: after(0), is: undefined },
  { of: "at the bound", now: after(15_000), is: undefined },
  { of: "past the bound", now: after(15_001), is: "STALE" },
  { of: "a suspended machine: the monotonic clock stood still", now: after(3_600_000, 20), is: "STALE" },
  { of: "a wall clock set back: the monotonic one went on", now: after(-10_000, 15_001), is: "STALE" },
  { of: "a wall clock set ahead by what is allowed", now: after(5_100, 100), is: undefined },
  { of: "a wall clock set ahead by more", now: after(5_101, 100), is: "CLOCK_SKEWED" },
  { of: "a wall clock set back by what is allowed", now: after(-4_900, 100), is: undefined },
  { of: "a wall clock set back by more", now: after(-4_901, 100), is: "CLOCK_SKEWED" },
  { of: "a wall clock that says nothing", now: after(Number.NaN, 100), is: "STALE" },
  { of: "a monotonic clock that says nothing", now: after(100, Number.NaN), is: "STALE" },
])("$of: $is", ({ now, is }) => {
  expect(unfitness(CONFIRMED, now, 15_000)).toBe(is);
});

test("without any confirmation a verifier is not ready", () => {
  expect(unfitness(undefined, after(0), 60_000)).toBe("NOT_READY");
});

test("age is counted from the sending of the ping, not from its answer", () => {
  const slow = { ...CONFIRMED, received: after(4_000) };
  expect(stalenessMs(slow, after(4_000))).toBe(4_000);
});

test.for([
  { broker: "behind", brokerTimeMs: START_MS - 5_000, is: undefined },
  { broker: "farther behind", brokerTimeMs: START_MS - 5_001, is: "CLOCK_SKEWED" },
  { broker: "ahead", brokerTimeMs: START_MS + 5_000, is: undefined },
  { broker: "farther ahead", brokerTimeMs: START_MS + 5_001, is: "CLOCK_SKEWED" },
])("a broker whose clock is $broker: $is", ({ brokerTimeMs, is }) => {
  expect(unfitness({ ...CONFIRMED, brokerTimeMs }, after(0), 15_000)).toBe(is);
});

test.for([
  { took: 5_000, conclusive: true },
  { took: 5_001, conclusive: false },
])("an answer that took $took ms says something of the clock: $conclusive", ({ took, conclusive }) => {
  expect(isConclusive({ ...CONFIRMED, received: after(took) })).toBe(conclusive);
});

test("the estimate of the clock's offset is off by half the round trip at most", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -20_000, max: 20_000 }),
      fc.nat(5_000),
      fc.nat(5_000),
      fc.nat(60_000),
      (offsetMs, thereMs, backMs, laterMs) => {
        const confirmation = {
          sent: after(0),
          received: after(thereMs + backMs),
          brokerTimeMs: START_MS + thereMs - offsetMs,
        };
        const estimate = clockOffsetMs(confirmation, after(thereMs + backMs + laterMs));
        expect(Math.abs(estimate - offsetMs)).toBeLessThanOrEqual((thereMs + backMs) / 2);
      },
    ),
  );
});

test("whatever the clocks do, nothing is fresh longer than the bound on either of them", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -100_000, max: 100_000 }),
      fc.nat(100_000),
      fc.nat(60_000),
      (wall, monotonic, bound) => {
        if (unfitness(CONFIRMED, after(wall, monotonic), bound) !== undefined) return;
        expect(wall).toBeLessThanOrEqual(bound);
        expect(monotonic).toBeLessThanOrEqual(bound);
        expect(Math.abs(wall - monotonic)).toBeLessThanOrEqual(5_000);
      },
    ),
  );
});

test.for<{ bounds: StalenessBounds; actions: readonly Action[]; seconds: number }>([
  { bounds: {}, actions: ["read"], seconds: 60 },
  { bounds: {}, actions: ["write"], seconds: 15 },
  { bounds: {}, actions: ["read", "execute"], seconds: 15 },
  { bounds: {}, actions: [], seconds: 60 },
  { bounds: { default: 5 }, actions: ["move_data"], seconds: 5 },
  { bounds: { default: 5 }, actions: ["read"], seconds: 60 },
  { bounds: { read: 10 }, actions: ["read"], seconds: 10 },
  { bounds: { read: 10 }, actions: [], seconds: 15 },
  { bounds: { retrieve_secret: 1 }, actions: ["read", "retrieve_secret", "write"], seconds: 1 },
])("with bounds $bounds, $actions is held to $seconds s", ({ bounds, actions, seconds }) => {
  expect(boundMsOf(bounds, actions)).toBe(seconds * 1_000);
});
