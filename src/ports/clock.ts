import type { UnixMicros } from "../domain/time.ts";

/**
 * The broker's time: wall time anchored to the monotonic clock, so that a stepped wall clock neither prolongs nor ends
 * anything by itself.
 */
export type Clock = {
  now(): UnixMicros;
  /** How far the wall clock has departed from the broker's time, in seconds; 0 when they agree. */
  skewSeconds(): number;
  /** Milliseconds of the monotonic clock: for measuring how long something took, never for an instant. */
  monotonicMs(): number;
  /** Calls once after this many milliseconds, unless cancelled. A virtual clock calls when its time has come. */
  schedule(delayMs: number, call: () => void): Cancel;
};

export type Cancel = () => void;
