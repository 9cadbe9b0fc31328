import { BrokerError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { createTokenBuckets } from "../domain/token-buckets.ts";
import type { Clock } from "../ports/clock.ts";

/** Bounds how many calls one verifier asks about, each of which is a row of the ledger. */
export type CallRate = {
  /** @throws BrokerError LIMIT_EXCEEDED, having taken nothing */
  take(entryId: string): void;
};

export function createCallRate(clock: Pick<Clock, "monotonicMs">): CallRate {
  const { checksPerSecondPerVerifier: perSecond, checkBurstPerVerifier: burst } = LIMITS;
  const buckets = createTokenBuckets({ perSecond, burst });
  return {
    take(entryId) {
      if (buckets.take(entryId, 1, clock.monotonicMs())) return;
      throw new BrokerError(
        "LIMIT_EXCEEDED",
        `one verifier asks about at most ${perSecond} calls a second, ${burst} at once`,
      );
    },
  };
}
