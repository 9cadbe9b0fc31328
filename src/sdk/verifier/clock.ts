import type { Instant } from "./freshness.ts";

/** Time for a verifier; replaced in tests alone. */
export type VerifierClock = {
  /** Milliseconds since 1970 by the wall clock. */
  wallMs(): number;
  /** Milliseconds by a clock that is never set; where it counts from does not matter. */
  monotonicMs(): number;
  /** Calls once after this many milliseconds, unless what it returns is called before. */
  schedule(delayMs: number, call: () => void): () => void;
};

export const SYSTEM_CLOCK: VerifierClock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  schedule(delayMs, call) {
    const timer = setTimeout(call, delayMs);
    return () => clearTimeout(timer);
  },
};

export function instantOf(clock: VerifierClock): Instant {
  return { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() };
}
