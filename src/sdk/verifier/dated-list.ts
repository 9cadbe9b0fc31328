import { inflateSync } from "node:zlib";
import { STATUS_LIST_TOKENS, type Statuses, withInvalidOf } from "../../domain/status-list.ts";
import type { UnixSeconds } from "../../domain/time.ts";
import {
  type StatusListOptions,
  type VerifiedStatusList,
  verifyStatusListToken,
} from "../../verify/status-list-token.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { type Dated, datedBy, datedUnfitness, type Instant, type Unfitness } from "./freshness.ts";

/** A status list as it was at one instant. */
export type DatedList = Dated & {
  readonly statuses: Statuses;
  /** Exclusive. */
  readonly expiresAt: UnixSeconds;
  readonly ttlSeconds: number;
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
  if (earlier !== undefined && issuedAt * 1_000 < earlier.madeAtMs) {
    throw new VerificationError("STALE", "the status list is older than the one before");
  }
  const statuses = unpacked(verified);
  return {
    // It has all that was recorded by then.
    ...datedBy(issuedAt * 1_000, sent, received),
    ...{ expiresAt, ttlSeconds },
    statuses: earlier === undefined ? statuses : withInvalidOf(earlier.statuses, statuses),
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
  if (list !== undefined && !(now.wallMs < list.expiresAt * 1_000)) return "STALE";
  return datedUnfitness(list, now, boundMs);
}
