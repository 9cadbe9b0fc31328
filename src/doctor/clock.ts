import { LIMITS } from "../domain/limits.ts";
import { type Diagnosis, error, ok, skipped, warning } from "./diagnosis.ts";

const MS_PER_SECOND = 1_000;

export type ClockFacts = {
  /** What adjtimex(2) says; `undefined` where the kernel did not answer. */
  readonly kernel: { readonly isSynchronized: boolean; readonly maxErrorSeconds: number } | undefined;
  /** Unix milliseconds. */
  readonly nowMs: number;
  /** When the broker last wrote to its data directory; `undefined` where that can't be seen, or it never did. */
  readonly writtenMs: number | undefined;
};

/** Broker and command are on one machine and have one clock: what can be off is that clock, against the world or against its past. */
export function checkClock({ kernel, nowMs, writtenMs }: ClockFacts): readonly Diagnosis[] {
  const behindSeconds = writtenMs === undefined ? 0 : (writtenMs - nowMs) / MS_PER_SECOND;
  if (behindSeconds > LIMITS.clockSkewSecondsMax) {
    const what = `the clock is ${Math.round(behindSeconds)} s behind what the broker wrote last`;
    const why = "a broker that starts with a clock behind its newest event issues nothing";
    const mend = "set the clock right and start stintd again, or stint authority confirm-clock";
    return [error("clock", { what, why, mend })];
  }
  if (kernel === undefined) return [skipped("clock", "the kernel does not say whether the clock is synchronized")];
  const why = `verifiers on other machines refuse tokens by a clock that is off by more than ${LIMITS.clockSkewSecondsMax} s`;
  const mend = "timedatectl set-ntp true, or start chronyd";
  if (!kernel.isSynchronized) {
    return [warning("clock", { what: "nobody keeps the clock synchronized, by what the kernel says", why, mend })];
  }
  if (kernel.maxErrorSeconds > LIMITS.clockSkewSecondsMax) {
    const what = `the clock may be off by ${kernel.maxErrorSeconds.toFixed(1)} s, by what the kernel says`;
    return [warning("clock", { what, why, mend })];
  }
  return [ok("clock", `the clock is synchronized, to ${kernel.maxErrorSeconds.toFixed(3)} s or better`)];
}
