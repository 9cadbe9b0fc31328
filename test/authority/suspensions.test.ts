import { expect, test } from "vitest";
import { createSuspensions } from "../../src/authority/suspensions.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { virtualClock } from "../memory/virtual-clock.ts";

function setUp() {
  const clock = virtualClock(1_795_341_600 as UnixSeconds);
  return { clock, suspensions: createSuspensions(clock) };
}

test("nothing is suspended by itself", () => {
  const { suspensions } = setUp();
  expect(suspensions.refusal()).toBeUndefined();
  expect(suspensions.reasons()).toEqual([]);
});

test.for([
  { direction: "ahead", sign: 1 },
  { direction: "behind", sign: -1 },
])("a wall clock more than 5 s $direction of the time since start suspends issuance until it is back", ({ sign }) => {
  const { clock, suspensions } = setUp();
  clock.stepWall(sign * 5);
  expect(suspensions.refusal()).toBeUndefined();
  clock.stepWall(sign * 0.001);
  expect(suspensions.refusal()).toMatchObject({ kind: "denial", code: "NOT_SERVING" });
  expect(suspensions.reasons()).toEqual([expect.stringContaining("wall clock")]);
  clock.stepWall(sign * -0.001);
  expect(suspensions.refusal()).toBeUndefined();
});

test("a ledger that went back suspends issuance, whatever the clock says, until that is lifted", () => {
  const { clock, suspensions } = setUp();
  suspensions.suspend("rollback", "the ledger ends before what was seen");
  expect(suspensions.refusal()?.message).toContain("the ledger ends before what was seen");
  clock.stepWall(60);
  expect(suspensions.reasons()).toHaveLength(2);
  clock.stepWall(-60);
  expect(suspensions.refusal()).toMatchObject({ code: "NOT_SERVING" });
  suspensions.lift("rollback");
  expect(suspensions.refusal()).toBeUndefined();
});
