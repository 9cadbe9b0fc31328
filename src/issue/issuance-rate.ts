import { BrokerError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { createTokenBuckets } from "../domain/token-buckets.ts";
import type { Clock } from "../ports/clock.ts";

/** Bounds how fast one subject is issued credentials: a step by its id, or a process of an entry. */
export type IssuanceRate = {
  /** @throws BrokerError LIMIT_EXCEEDED, having taken nothing */
  take(subject: string, count: number): void;
};

export function createIssuanceRate(clock: Pick<Clock, "monotonicMs">): IssuanceRate {
  const { issuancesPerSecondPerStep: perSecond, issuanceBurstPerStep: burst } = LIMITS;
  const buckets = createTokenBuckets({ perSecond, burst });
  return {
    take(subject, count) {
      if (buckets.take(subject, count, clock.monotonicMs())) return;
      throw new BrokerError(
        "LIMIT_EXCEEDED",
        `one step or process is issued at most ${perSecond} credentials a second, ${burst} at once`,
      );
    },
  };
}
