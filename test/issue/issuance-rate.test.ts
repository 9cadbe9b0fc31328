import { expect, test } from "vitest";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { createIssuanceRate } from "../../src/issue/issuance-rate.ts";
import { virtualClock } from "../memory/virtual-clock.ts";

test("a step may burst to 100, then 50 a second; another step is not disturbed", () => {
  const clock = virtualClock(1_800_000_000 as UnixSeconds);
  const rate = createIssuanceRate(clock);
  rate.take("step_1", 100);
  expect(() => rate.take("step_1", 1)).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
  rate.take("step_2", 64);
  clock.advance(1_000);
  rate.take("step_1", 50);
  expect(() => rate.take("step_1", 1)).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
});

test("those who have been idle long enough to burst again are forgotten, and nobody else, however many come", () => {
  const clock = virtualClock(1_800_000_000 as UnixSeconds);
  const rate = createIssuanceRate(clock);
  for (let number = 0; number < 20_000; number += 1) rate.take(`idle-${number}`, 1);
  clock.advance(1_000);
  rate.take("busy", 100);
  clock.advance(1_500);
  for (let number = 0; number < 20_000; number += 1) rate.take(`later-${number}`, 1);
  // Forgotten it would have its whole burst; what it has is what a second and a half gave back.
  expect(() => rate.take("busy", 76)).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
  rate.take("busy", 75);
});

test("a batch that is refused takes nothing", () => {
  const rate = createIssuanceRate(virtualClock(1_800_000_000 as UnixSeconds));
  rate.take("step_1", 60);
  expect(() => rate.take("step_1", 64)).toThrow();
  rate.take("step_1", 40);
});
