const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 1_000;

/** Pauses that double up to a bound, each cut by up to half at random, so that many clients do not come back at once. */
export function backoff(): { next(): number; reset(): void } {
  let pauseMs = BACKOFF_MS_MIN;
  return {
    next() {
      const pause = pauseMs * (1 - Math.random() / 2);
      pauseMs = Math.min(pauseMs * 2, BACKOFF_MS_MAX);
      return pause;
    },
    reset() {
      pauseMs = BACKOFF_MS_MIN;
    },
  };
}
