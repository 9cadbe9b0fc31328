import { describe, expect, test, vi } from "vitest";
import { systemClock } from "../../../src/adapters/system/system-clock.ts";
import { virtualClock } from "../../memory/virtual-clock.ts";
import { NOW } from "../../samples/credentials.ts";

describe("the system's clock", () => {
  /** A machine whose two clocks are turned by hand. */
  function machine(): { wall: number; monotonic: number; wallMs: () => number; monotonicMs: () => number } {
    const hands = {
      wall: NOW * 1_000,
      monotonic: 5_000.25,
      wallMs: () => hands.wall,
      monotonicMs: () => hands.monotonic,
    };
    return hands;
  }

  test("begins at the wall clock's time and goes on by the monotonic clock's", () => {
    const hands = machine();
    const clock = systemClock(hands);
    expect(clock.now()).toBe(NOW * 1_000_000);
    hands.monotonic += 1_500;
    hands.wall += 1_500;
    expect(clock.now()).toBe(NOW * 1_000_000 + 1_500_000);
    expect(clock.skewSeconds()).toBe(0);
    expect(clock.monotonicMs()).toBe(6_500.25);
  });

  test.for([
    { stepped: "an hour ahead", seconds: 3_600 },
    { stepped: "an hour back", seconds: -3_600 },
    { stepped: "ten years ahead", seconds: 315_360_000 },
  ])("does not move when the wall clock is set $stepped, and says how far that is off", ({ seconds }) => {
    const hands = machine();
    const clock = systemClock(hands);
    const before = clock.now();
    hands.wall += seconds * 1_000;
    expect(clock.now()).toBe(before);
    expect(clock.skewSeconds()).toBe(seconds);
    clock.anchor();
    expect(clock.now()).toBe(before + seconds * 1_000_000);
    expect(clock.skewSeconds()).toBe(0);
  });

  test("reads the machine: whole micros, near the wall clock, never going back", () => {
    const clock = systemClock();
    let last = clock.now();
    for (let round = 0; round < 1_000; round += 1) {
      const now = clock.now();
      expect(Number.isSafeInteger(now)).toBe(true);
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
    expect(Math.abs(last / 1_000 - Date.now())).toBeLessThan(1_000);
    expect(Math.abs(clock.skewSeconds())).toBeLessThan(1);
  });

  test("calls once what is scheduled, in the order in which it comes due, and not what was cancelled", async () => {
    const clock = systemClock();
    const calls: string[] = [];
    // The timers do not keep the process alive; this one does, until all has been called.
    const alive = setInterval(() => {}, 1_000);
    await new Promise<void>((done) => {
      clock.schedule(40, () => {
        calls.push("late");
        done();
      });
      clock.schedule(5, () => calls.push("early"));
      clock.schedule(1, () => calls.push("cancelled"))();
      clock.schedule(-5, () => calls.push("at once"));
    });
    clearInterval(alive);
    expect(calls).toEqual(["at once", "early", "late"]);
  });

  test("waits as long as it was told, even beyond what one timer takes", () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    try {
      const clock = systemClock({ wallMs: () => NOW * 1_000, monotonicMs: () => performance.now() });
      const call = vi.fn();
      const days = 60 * 86_400_000;
      clock.schedule(days, call);
      vi.advanceTimersByTime(days - 1);
      expect(call).not.toHaveBeenCalled();
      vi.advanceTimersByTime(1);
      expect(call).toHaveBeenCalledTimes(1);
      const cancelled = vi.fn();
      const cancel = clock.schedule(days, cancelled);
      vi.advanceTimersByTime(days / 2);
      cancel();
      vi.advanceTimersByTime(days);
      expect(cancelled).not.toHaveBeenCalled();
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("a virtual clock", () => {
  test("stands still until it is told, and then calls in order, each at its own instant", () => {
    const clock = virtualClock(NOW);
    const calls: [string, number][] = [];
    const note = (name: string) => () => calls.push([name, clock.monotonicMs()]);
    clock.schedule(30, note("third"));
    clock.schedule(10, note("first"));
    clock.schedule(10, note("second"));
    clock.schedule(31, note("later"));
    clock.schedule(20, note("cancelled"))();
    expect(clock.pending()).toBe(4);
    clock.advance(30);
    expect(calls).toEqual([
      ["first", 10],
      ["second", 10],
      ["third", 30],
    ]);
    expect(clock.now()).toBe(NOW * 1_000_000 + 30_000);
    expect(clock.pending()).toBe(1);
  });

  test("also calls what those calls schedule, if its time has come, and lets them cancel each other", () => {
    const clock = virtualClock(NOW);
    const calls: string[] = [];
    const cancel = clock.schedule(15, () => calls.push("never"));
    clock.schedule(10, () => {
      calls.push("outer");
      cancel();
      clock.schedule(5, () => calls.push("inner"));
      clock.schedule(50, () => calls.push("too late"));
    });
    clock.advance(20);
    expect(calls).toEqual(["outer", "inner"]);
    expect(clock.monotonicMs()).toBe(20);
  });

  test("shows a stepped wall clock as skew only", () => {
    const clock = virtualClock(NOW);
    clock.stepWall(-7);
    clock.advance(1_000);
    expect(clock.skewSeconds()).toBe(-7);
    expect(clock.now()).toBe((NOW + 1) * 1_000_000);
  });
});
