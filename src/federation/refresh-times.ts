import { LIMITS } from "../domain/limits.ts";

/** Many brokers that learned of a bundle at once must not ask for the next bundle at once. */
const SPREAD_SHARE = 0.1;

/** When to ask for a bundle again. */
export type RefreshTimes = {
  /** `spiffe_refresh_hint` of the newest bundle; `undefined` where it has none. */
  readonly hintSeconds: number | undefined;
  /** Attempts without a bundle since the last attempt that brought one. */
  readonly failuresInARow: number;
  /** From 0 to 1, at random. */
  readonly random: number;
};

/**
 * How long to wait before the next attempt: what the publisher recommends, within bounds. After a failure the wait is
 * shorter at first, and twice as long with each further failure, up to the recommended time.
 *
 * @returns milliseconds
 * @see SPIFFE Federation sections 4.1 and 6.2
 */
export function nextRefreshMs({ hintSeconds, failuresInARow, random }: RefreshTimes): number {
  const { bundleRefreshSecondsDefault, bundleRefreshSecondsMin, bundleRefreshSecondsMax } = LIMITS;
  const hinted = Math.max(hintSeconds ?? bundleRefreshSecondsDefault, bundleRefreshSecondsMin);
  const regular = Math.min(hinted, bundleRefreshSecondsMax);
  const seconds =
    failuresInARow === 0 ? regular : Math.min(regular, bundleRefreshSecondsMin * 2 ** (failuresInARow - 1));
  return Math.round(seconds * 1_000 * (1 + SPREAD_SHARE * (2 * random - 1)));
}
