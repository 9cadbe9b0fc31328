/** So much a second, and so much at once. */
export type Rate = { readonly perSecond: number; readonly burst: number };

export type TokenBuckets = {
  /** @returns whether there was as much left; if not, nothing was taken. */
  take(subject: string, count: number, nowMs: number): boolean;
  /** @returns whether `take` would take as much; nothing is taken. */
  has(subject: string, count: number, nowMs: number): boolean;
  /** Of what was taken, by a subject that turned out to owe it to another. */
  giveBack(subject: string, count: number): void;
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

  function refilled(subject: string, nowMs: number): { tokens: number; atMs: number } {
    const { tokens, atMs } = buckets.get(subject) ?? { tokens: burst, atMs: nowMs };
    return { tokens: Math.min(burst, tokens + ((nowMs - atMs) / 1_000) * perSecond), atMs: nowMs };
  }

  return {
    take(subject, count, nowMs) {
      if (buckets.size >= lookAt) dropIdle(nowMs);
      const bucket = refilled(subject, nowMs);
      buckets.set(subject, bucket);
      if (bucket.tokens < count) return false;
      bucket.tokens -= count;
      return true;
    },
    has: (subject, count, nowMs) => refilled(subject, nowMs).tokens >= count,
    giveBack(subject, count) {
      const bucket = buckets.get(subject);
      if (bucket !== undefined) bucket.tokens = Math.min(burst, bucket.tokens + count);
    },
  };
}
