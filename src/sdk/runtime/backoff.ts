const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 1_000;

/** Pauses that double up to a bound, each cut by up to half at random, so that many clients do not come back at once. */
export function backoff({ minMs = BACKOFF_MS_MIN, maxMs = BACKOFF_MS_MAX } = {}): { next(): number; reset(): void } {
  let pauseMs = minMs;
  return {
    next() {
      const pause = pauseMs * (1 - Math.random() / 2);
      pauseMs = Math.min(pauseMs * 2, maxMs);
      return pause;
    },
    reset() {
      pauseMs = minMs;
    },
  };
}
