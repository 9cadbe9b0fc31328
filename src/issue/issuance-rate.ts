import { BrokerError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Clock } from "../ports/clock.ts";

/** Bounds how fast one step is issued credentials. */
export type IssuanceRate = {
  /** @throws BrokerError LIMIT_EXCEEDED, having taken nothing */
  take(stepId: string, count: number): void;
  forget(stepId: string): void;
};

/** A token bucket a step: an agent in a loop must not spend what its neighbours need. */
export function createIssuanceRate(clock: Pick<Clock, "monotonicMs">): IssuanceRate {
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  return {
    take(stepId, count) {
      const nowMs = clock.monotonicMs();
      const bucket = buckets.get(stepId) ?? { tokens: LIMITS.issuanceBurstPerStep, atMs: nowMs };
      const refilled = bucket.tokens + ((nowMs - bucket.atMs) / 1_000) * LIMITS.issuancesPerSecondPerStep;
      bucket.tokens = Math.min(LIMITS.issuanceBurstPerStep, refilled);
      bucket.atMs = nowMs;
      buckets.set(stepId, bucket);
      if (bucket.tokens < count) {
        throw new BrokerError(
          "LIMIT_EXCEEDED",
          `a step is issued at most ${LIMITS.issuancesPerSecondPerStep} credentials a second, ${LIMITS.issuanceBurstPerStep} at once`,
        );
      }
      bucket.tokens -= count;
    },
    forget: (stepId) => void buckets.delete(stepId),
  };
}
