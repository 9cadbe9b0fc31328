import type { VerifierClock } from "../../../src/sdk/verifier/clock.ts";

/** A clock that moves only when told, and calls what is due as it passes. */
export type ManualClock = VerifierClock & {
  /** Time passes. */
  advance(ms: number): void;
  /** The machine is suspended: no timer is called. */
  suspend(ms: number): void;
  /** A virtual machine is stopped, and its wall clock put right when it goes on: nothing else shows it. */
  stop(ms: number): void;
  /** Somebody sets the wall clock. */
  setWall(wallMs: number): void;
};

export function manualClock(startMs: number): ManualClock {
  let wallMs = startMs;
  let monotonicMs = 1_000;
  let timers: { readonly atMs: number; readonly call: () => void }[] = [];

  return {
    wallMs: () => wallMs,
    monotonicMs: () => monotonicMs,
    schedule(delayMs, call) {
      const timer = { atMs: monotonicMs + delayMs, call };
      timers.push(timer);
      return () => {
        timers = timers.filter((one) => one !== timer);
      };
    },
    advance(ms) {
      wallMs += ms;
      monotonicMs += ms;
      const due = timers.filter((one) => one.atMs <= monotonicMs).toSorted((a, b) => a.atMs - b.atMs);
      timers = timers.filter((one) => one.atMs > monotonicMs);
      for (const { call } of due) call();
    },
    suspend(ms) {
      wallMs += ms;
      monotonicMs += ms;
    },
    stop(ms) {
      wallMs += ms;
    },
    setWall(ms) {
      wallMs = ms;
    },
  };
}
