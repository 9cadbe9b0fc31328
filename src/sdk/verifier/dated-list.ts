import { inflateSync } from "node:zlib";
import { LIMITS } from "../../domain/limits.ts";
import { STATUS_LIST_TOKENS, type Statuses, withInvalidOf } from "../../domain/status-list.ts";
import type { UnixSeconds } from "../../domain/time.ts";
import {
  type StatusListOptions,
  type VerifiedStatusList,
  verifyStatusListToken,
} from "../../verify/status-list-token.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { ageMs, type Instant, type Unfitness } from "./freshness.ts";

/** A status list as it was at one instant. */
export type DatedList = {
  readonly statuses: Statuses;
  readonly issuedAt: UnixSeconds;
  /** Exclusive. */
  readonly expiresAt: UnixSeconds;
  readonly ttlSeconds: number;
  /** When it had all that was recorded, by this machine's clocks: never later than when it was asked for. */
  readonly asOf: Instant;
  readonly received: Instant;
};

/** Of an answer: a list of eight bits a token that does not compress, in base64url twice. */
export const LIST_BYTES_MAX = 256 * 1024;

/**
 * Reads a list that was fetched.
 *
 * @param fetched.earlier - what was known of the list; one that is older than it is not taken, and what it has as invalid stays so.
 * @throws VerificationError as `verifyStatusListToken`; CLAIMS_INVALID for a list that is no zlib, or is larger than lists are; STALE
 */
export function datedListOf(
  fetched: {
    readonly text: string;
    readonly sent: Instant;
    readonly received: Instant;
    readonly earlier: DatedList | undefined;
  },
  options: StatusListOptions,
): DatedList {
  const { sent, received, earlier } = fetched;
  const verified = verifyStatusListToken(fetched.text, options);
  const { issuedAt, expiresAt, ttlSeconds } = verified;
  if (earlier !== undefined && issuedAt < earlier.issuedAt) {
    throw new VerificationError("STALE", "the status list is older than the one before");
  }
  const statuses = unpacked(verified);
  const ageMs = Math.max(0, sent.wallMs - issuedAt * 1_000);
  return {
    ...{ issuedAt, expiresAt, ttlSeconds, received },
    statuses: earlier === undefined ? statuses : withInvalidOf(earlier.statuses, statuses),
    asOf: { wallMs: sent.wallMs - ageMs, monotonicMs: sent.monotonicMs - ageMs },
  };
}

/** No more comes out than a list has of this many bits a token, whatever goes in. */
function unpacked({ bits, compressed }: VerifiedStatusList): Statuses {
  const maxOutputLength = (STATUS_LIST_TOKENS * bits) / 8;
  try {
    return { bits, bytes: inflateSync(compressed, { maxOutputLength }) };
  } catch {
    throw new VerificationError(
      "CLAIMS_INVALID",
      `claims of the status list: expected status_list.lst as zlib of at most ${maxOutputLength} bytes`,
    );
  }
}

/** Why a list tells nothing at present; `undefined` when it does. */
export function listUnfitness(list: DatedList | undefined, now: Instant, boundMs: number): Unfitness | undefined {
  if (list === undefined) return "NOT_READY";
  // Written as "not within", so that a clock that is not a number refuses.
  if (!(ageMs(list.asOf, now) <= boundMs && now.wallMs < list.expiresAt * 1_000)) return "STALE";
  // A clock that is ahead makes lists old. One that is behind makes tokens, and lists, good for longer.
  const brokerMs = list.issuedAt * 1_000 + (now.monotonicMs - list.received.monotonicMs);
  return brokerMs - now.wallMs <= LIMITS.clockSkewSecondsMax * 1_000 ? undefined : "CLOCK_SKEWED";
}
