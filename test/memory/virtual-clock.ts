import { addMicros, microsOf, type UnixMicros, type UnixSeconds } from "../../src/domain/time.ts";
import type { Clock } from "../../src/ports/clock.ts";

/** A clock that stands still until told: simulations and tests wait for nothing. */
export type VirtualClock = Clock & {
  /**
   * Lets this much time pass. Whatever comes due is called in its order and at its instant, also what those calls
   * schedule in turn.
   */
  advance(ms: number): void;
  /** Steps the wall clock, as an operator or a time server would; the broker's time does not move. */
  stepWall(seconds: number): void;
  /** How many calls are scheduled. */
  pending(): number;
};

/** @param start - where it begins. */
export function virtualClock(start: UnixSeconds): VirtualClock {
  let elapsedMs = 0;
  let skewSeconds = 0;
  let order = 0;
  const calls = new Map<number, { readonly dueMs: number; readonly call: () => void }>();

  /** Of several that are due at one instant, the first that was scheduled. */
  function next(untilMs: number): number | undefined {
    let first: number | undefined;
    let firstDueMs = Number.POSITIVE_INFINITY;
    for (const [id, { dueMs }] of calls) {
      if (dueMs <= untilMs && dueMs < firstDueMs) [first, firstDueMs] = [id, dueMs];
    }
    return first;
  }

  return {
    now: (): UnixMicros => addMicros(microsOf(start), Math.round(elapsedMs * 1_000)),
    skewSeconds: () => skewSeconds,
    monotonicMs: () => elapsedMs,

    schedule(delayMs, call) {
      order += 1;
      const id = order;
      calls.set(id, { dueMs: elapsedMs + Math.max(delayMs, 0), call });
      return () => {
        calls.delete(id);
      };
    },

    advance(ms) {
      const untilMs = elapsedMs + ms;
      for (let id = next(untilMs); id !== undefined; id = next(untilMs)) {
        const due = calls.get(id);
        calls.delete(id);
        if (due === undefined) continue;
        elapsedMs = due.dueMs;
        due.call();
      }
      elapsedMs = untilMs;
    },

    stepWall(seconds) {
      skewSeconds += seconds;
    },

    pending: () => calls.size,
  };
}
