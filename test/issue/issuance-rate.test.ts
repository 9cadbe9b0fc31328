import { expect, test } from "vitest";
import { virtualClock } from "../../src/adapters/system/virtual-clock.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { createIssuanceRate } from "../../src/issue/issuance-rate.ts";

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

test("a batch that is refused takes nothing", () => {
  const rate = createIssuanceRate(virtualClock(1_800_000_000 as UnixSeconds));
  rate.take("step_1", 60);
  expect(() => rate.take("step_1", 64)).toThrow();
  rate.take("step_1", 40);
});
