/** So much a second, and so much at once. */
export type Rate = { readonly perSecond: number; readonly burst: number };

export type TokenBuckets = {
  /** @returns whether there was as much left; if not, nothing was taken. */
  take(subject: string, count: number, nowMs: number): boolean;
};

/** Nobody tells when a subject is gone. At so many buckets idle ones are dropped, and next at twice what is left. */
const BUCKETS_LOOKED_AT = 16_384;

/** One token bucket for each subject: one in a loop must not spend what its neighbours need. */
export function createTokenBuckets({ perSecond, burst }: Rate): TokenBuckets {
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  let lookAt = BUCKETS_LOOKED_AT;

  /** A bucket that is full again says no more than a bucket that is missing. */
  function dropIdle(nowMs: number): void {
    const refillMs = (burst / perSecond) * 1_000;
    for (const [subject, { atMs }] of buckets) if (nowMs - atMs >= refillMs) buckets.delete(subject);
    lookAt = Math.max(BUCKETS_LOOKED_AT, 2 * buckets.size);
  }

  return {
    take(subject, count, nowMs) {
      if (buckets.size >= lookAt) dropIdle(nowMs);
      const bucket = buckets.get(subject) ?? { tokens: burst, atMs: nowMs };
      const refilled = bucket.tokens + ((nowMs - bucket.atMs) / 1_000) * perSecond;
      bucket.tokens = Math.min(burst, refilled);
      bucket.atMs = nowMs;
      buckets.set(subject, bucket);
      if (bucket.tokens < count) return false;
      bucket.tokens -= count;
      return true;
    },
  };
}
