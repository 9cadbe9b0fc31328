import { ACTIONS, type Action } from "../../domain/grant.ts";
import { LIMITS } from "../../domain/limits.ts";

/**
 * One moment by both clocks. A wall clock that was set shows it against the monotonic one; a virtual machine that was stopped shows it on
 * the wall clock alone, once that is right again.
 */
export type Instant = { readonly wallMs: number; readonly monotonicMs: number };

/** A ping that was answered: everything the broker knew when it answered is applied. */
export type Confirmation = {
  readonly sent: Instant;
  readonly received: Instant;
  /** The broker's clock between the two, Unix milliseconds. */
  readonly brokerTimeMs: number;
};

/** How long a verifier may go without the feed before it refuses, by what is to be done. */
export type StalenessBounds = { readonly [Name in Action | "default"]?: number };

/**
 * The strictest bound that status lists can keep, in seconds: a list is fetched every five, may have lain in a cache for as long, and was signed
 * up to two before that.
 */
export const LIST_STALENESS_SECONDS_MIN = 12;

/** Reading out of date is worth some availability; what changes the world is not. */
const BOUNDS_SECONDS: StalenessBounds = { read: 60, default: 15 };
const DEFAULT_SECONDS = 15;

/** The strictest bound of several actions; of none, the loosest of all, which is what a mere token is held to. */
export function boundMsOf(bounds: StalenessBounds, actions: readonly Action[]): number {
  const secondsOf = (action: Action) =>
    bounds[action] ?? BOUNDS_SECONDS[action] ?? bounds.default ?? BOUNDS_SECONDS.default ?? DEFAULT_SECONDS;
  const seconds = actions.length === 0 ? Math.max(...ACTIONS.map(secondsOf)) : Math.min(...actions.map(secondsOf));
  return seconds * 1_000;
}

/** How long ago something was, in milliseconds, on the clock that says more. */
export function ageMs(since: Instant, now: Instant): number {
  return Math.max(now.wallMs - since.wallMs, now.monotonicMs - since.monotonicMs);
}

/**
 * How old the verifier's knowledge is, in milliseconds: counted from when the ping was sent, since the answer may have
 * been under way for any part of the time.
 */
export function stalenessMs({ sent }: Confirmation, now: Instant): number {
  return ageMs(sent, now);
}

/**
 * How far the wall clock is ahead of the broker's (negative: behind), in milliseconds: by the last confirmation, and by
 * what the monotonic clock has counted since, so that a clock set in between shows at once.
 */
export function clockOffsetMs(confirmation: Confirmation, now: Instant): number {
  const { sent, received, brokerTimeMs } = confirmation;
  const sinceBrokerTime = now.monotonicMs - (sent.monotonicMs + received.monotonicMs) / 2;
  return now.wallMs - (brokerTimeMs + sinceBrokerTime);
}

/** An answer that took longer than the skew it is to reveal says nothing; the next ping asks again. */
export function isConclusive(confirmation: Confirmation): boolean {
  const tookMs = confirmation.received.monotonicMs - confirmation.sent.monotonicMs;
  return tookMs <= LIMITS.clockSkewSecondsMax * 1_000;
}

/** Why a verifier cannot tell at present. */
export type Unfitness = "NOT_READY" | "STALE" | "CLOCK_SKEWED";

/** `undefined` when it can. */
export function unfitness(
  confirmation: Confirmation | undefined,
  now: Instant,
  boundMs: number,
): Unfitness | undefined {
  if (confirmation === undefined) return "NOT_READY";
  // Written as "not within", so that a clock that is not a number refuses.
  if (!(stalenessMs(confirmation, now) <= boundMs)) return "STALE";
  const skewMs = Math.abs(clockOffsetMs(confirmation, now));
  return skewMs <= LIMITS.clockSkewSecondsMax * 1_000 ? undefined : "CLOCK_SKEWED";
}

/** Something of the broker's that says itself when it was made. */
export type Dated = {
  /** By the broker's clock, Unix milliseconds. */
  readonly madeAtMs: number;
  /** The same by this machine's clocks: never later than when it came. */
  readonly asOf: Instant;
  readonly received: Instant;
};

/** @param at - the latest that it can have been made at: when it was asked for, or when it came. */
export function datedBy(madeAtMs: number, at: Instant, received: Instant): Dated {
  const ageMs = Math.max(0, at.wallMs - madeAtMs);
  return { madeAtMs, asOf: { wallMs: at.wallMs - ageMs, monotonicMs: at.monotonicMs - ageMs }, received };
}

/** Why it tells nothing at present; `undefined` when it does. */
export function datedUnfitness(dated: Dated | undefined, now: Instant, boundMs: number): Unfitness | undefined {
  if (dated === undefined) return "NOT_READY";
  // Written as "not within", so that a clock that is not a number refuses.
  if (!(ageMs(dated.asOf, now) <= boundMs)) return "STALE";
  // A clock that is ahead makes all of it old. One that is behind makes it, and tokens, good for longer.
  const brokerMs = dated.madeAtMs + (now.monotonicMs - dated.received.monotonicMs);
  return brokerMs - now.wallMs <= LIMITS.clockSkewSecondsMax * 1_000 ? undefined : "CLOCK_SKEWED";
}
