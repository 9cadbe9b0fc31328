import { uptime } from "node:os";
import type { Instant } from "./freshness.ts";

/** Time for a verifier; replaced in tests alone. */
export type VerifierClock = {
  /** Milliseconds since 1970 by the wall clock. */
  wallMs(): number;
  /** Milliseconds by a clock that is never set and counts while the machine is suspended; where it counts from does not matter. */
  monotonicMs(): number;
  /** Calls once after this many milliseconds, unless what it returns is called before. */
  schedule(delayMs: number, call: () => void): () => void;
};

/** What a clock that counts suspension is made of, each in milliseconds. */
export type TimeSources = {
  wallMs(): number;
  /** Is never set, and may stand still while the machine is suspended. */
  runningMs(): number;
  /** Since the machine was started, suspended or not. Dear to ask: a file of the kernel is read. */
  uptimeMs(): number;
};

/** How long a suspension may go unnoticed that the wall clock does not show, since it was set back by as much. */
const UPTIME_INTERVAL_MS = 1_000;

/** How far the wall clock may go from the monotonic one before the uptime is asked: more than it is slewed by in a second. */
const DRIFT_MS_MAX = 10;

/**
 * A clock that counts suspension, out of one that does not: a wall clock shows a suspension as well, but can be set back by as much.
 *
 * @returns what time it is by that clock, in milliseconds; never less than before
 */
export function countingSuspension({ wallMs, runningMs, uptimeMs }: TimeSources): () => number {
  const sinceStartMs = uptimeMs() - runningMs();
  let suspendedMs = 0;
  let asked = { wallMs: wallMs(), runningMs: runningMs() };
  return () => {
    const now = { wallMs: wallMs(), runningMs: runningMs() };
    const ranMs = now.runningMs - asked.runningMs;
    if (ranMs >= UPTIME_INTERVAL_MS || Math.abs(now.wallMs - asked.wallMs - ranMs) > DRIFT_MS_MAX) {
      asked = now;
      suspendedMs = Math.max(suspendedMs, uptimeMs() - now.runningMs - sinceStartMs);
    }
    return now.runningMs + suspendedMs;
  };
}

const wallMs = () => Date.now();
const runningMs = () => performance.now();

export const SYSTEM_CLOCK: VerifierClock = {
  wallMs,
  // On Linux alone Node.js's monotonic clock stands still in a suspension.
  monotonicMs:
    process.platform === "linux"
      ? countingSuspension({ wallMs, runningMs, uptimeMs: () => uptime() * 1_000 })
      : runningMs,
  schedule(delayMs, call) {
    const timer = setTimeout(call, delayMs);
    return () => clearTimeout(timer);
  },
};

export function instantOf(clock: VerifierClock): Instant {
  return { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() };
}
