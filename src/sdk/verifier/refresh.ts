import type { VerifierClock } from "./clock.ts";

/** Something that is fetched again and again, once at a time. */
export type Refresh = {
  /** Fetches, or waits for what is under way; resolves whatever comes of it. */
  now(): Promise<void>;
  /** The same, but begins none within so many milliseconds of the last. */
  unlessWithin(ms: number): Promise<void>;
  /** Whether the last one failed. */
  readonly failing: boolean;
  close(): void;
};

export type RefreshOptions = {
  /**
   * @param signal - aborts when it takes too long, or is not wanted any more.
   * @returns whether it went well
   */
  readonly fetch: (signal: AbortSignal) => Promise<boolean>;
  /** How long after a fetch that went well the next one is due, in milliseconds; `undefined`: never, until somebody asks. */
  readonly afterMs: () => number | undefined;
  /** How long after a fetch that failed the next one is due at the latest, in milliseconds. Default: 1,000. */
  readonly retryMs?: number;
  /** How long one may take. Default: 3,000. */
  readonly withinMs?: number;
};

/** More than a small document takes; a request that waits for it does not wait longer. */
const FETCH_MS_MAX = 3_000;
/** Soon beside the strictest bound of staleness, and spread so that a restarted broker is not met by all at once. */
const RETRY_MS = 1_000;

export function createRefresh(clock: VerifierClock, options: RefreshOptions): Refresh {
  const { fetch, afterMs, retryMs = RETRY_MS, withinMs = FETCH_MS_MAX } = options;
  let underWay: Promise<void> | undefined;
  let startedAtMs = Number.NEGATIVE_INFINITY;
  let isFailing = false;
  let closed = false;
  let cancelNext: () => void = () => undefined;
  let abort: () => void = () => undefined;

  async function attempt(): Promise<void> {
    const controller = new AbortController();
    abort = () => controller.abort();
    const cancelTimeout = clock.schedule(withinMs, abort);
    cancelNext();
    startedAtMs = clock.monotonicMs();
    try {
      isFailing = !(await fetch(controller.signal));
    } finally {
      cancelTimeout();
    }
    const dueMs = closed ? undefined : isFailing ? retryMs * (0.5 + Math.random() / 2) : afterMs();
    if (dueMs !== undefined) cancelNext = clock.schedule(dueMs, () => void now());
  }

  function now(): Promise<void> {
    if (closed) return Promise.resolve();
    underWay ??= attempt().finally(() => {
      underWay = undefined;
    });
    return underWay;
  }

  return {
    now,
    unlessWithin: (ms) => (clock.monotonicMs() - startedAtMs < ms ? (underWay ?? Promise.resolve()) : now()),
    get failing() {
      return isFailing;
    },
    close() {
      closed = true;
      cancelNext();
      abort();
    },
  };
}
