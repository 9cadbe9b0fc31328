import { BrokerError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Clock } from "../ports/clock.ts";

/** Bounds how many calls one verifier asks about, each of which is a row of the ledger. */
export type CallRate = {
  /** @throws BrokerError LIMIT_EXCEEDED, having taken nothing */
  take(entryId: string): void;
};

/** One token bucket for each entry; there are no more of them than entries. */
export function createCallRate(clock: Pick<Clock, "monotonicMs">): CallRate {
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  return {
    take(entryId) {
      const nowMs = clock.monotonicMs();
      const bucket = buckets.get(entryId) ?? { tokens: LIMITS.checkBurstPerVerifier, atMs: nowMs };
      const refilled = bucket.tokens + ((nowMs - bucket.atMs) / 1_000) * LIMITS.checksPerSecondPerVerifier;
      bucket.tokens = Math.min(LIMITS.checkBurstPerVerifier, refilled);
      bucket.atMs = nowMs;
      buckets.set(entryId, bucket);
      if (bucket.tokens < 1) {
        throw new BrokerError(
          "LIMIT_EXCEEDED",
          `one verifier asks about at most ${LIMITS.checksPerSecondPerVerifier} calls a second, ${LIMITS.checkBurstPerVerifier} at once`,
        );
      }
      bucket.tokens -= 1;
    },
  };
}
