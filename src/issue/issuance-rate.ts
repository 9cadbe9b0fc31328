import { BrokerError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Clock } from "../ports/clock.ts";

/** Bounds how fast one subject is issued credentials: a step by its id, or a process of an entry. */
export type IssuanceRate = {
  /** @throws BrokerError LIMIT_EXCEEDED, having taken nothing */
  take(subject: string, count: number): void;
};

/** Nobody tells when a subject is gone. At so many buckets idle ones are dropped, and next at twice what is left. */
const BUCKETS_LOOKED_AT = 16_384;

/** One token bucket for each subject: an agent in a loop must not spend what its neighbours need. */
export function createIssuanceRate(clock: Pick<Clock, "monotonicMs">): IssuanceRate {
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  let lookAt = BUCKETS_LOOKED_AT;

  /** A bucket that is full again says no more than a bucket that is missing. */
  function dropIdle(nowMs: number): void {
    const refillMs = (LIMITS.issuanceBurstPerStep / LIMITS.issuancesPerSecondPerStep) * 1_000;
    for (const [subject, { atMs }] of buckets) if (nowMs - atMs >= refillMs) buckets.delete(subject);
    lookAt = Math.max(BUCKETS_LOOKED_AT, 2 * buckets.size);
  }

  return {
    take(subject, count) {
      const nowMs = clock.monotonicMs();
      if (buckets.size >= lookAt) dropIdle(nowMs);
      const bucket = buckets.get(subject) ?? { tokens: LIMITS.issuanceBurstPerStep, atMs: nowMs };
      const refilled = bucket.tokens + ((nowMs - bucket.atMs) / 1_000) * LIMITS.issuancesPerSecondPerStep;
      bucket.tokens = Math.min(LIMITS.issuanceBurstPerStep, refilled);
      bucket.atMs = nowMs;
      buckets.set(subject, bucket);
      if (bucket.tokens < count) {
        throw new BrokerError(
          "LIMIT_EXCEEDED",
          `one step or process is issued at most ${LIMITS.issuancesPerSecondPerStep} credentials a second, ${LIMITS.issuanceBurstPerStep} at once`,
        );
      }
      bucket.tokens -= count;
    },
  };
}
