import { base64urlOf } from "./base64url.ts";
import { LIMITS } from "./limits.ts";
import { forgetAfter } from "./revocation.ts";
import { addSeconds, type UnixSeconds } from "./time.ts";

/** Where a token's status is: in which list, and at which index there. */
export type TokenStatus = { readonly list: string; readonly index: number };

/** The `status` claim of a token. draft-ietf-oauth-status-list section 6 */
export type StatusClaim = { readonly status_list: { readonly idx: number; readonly uri: string } };

/**
 * Tokens in one list: 16 KiB before compression, less than a kilobyte after it while a hundredth is revoked. A broker at
 * full load fills a list in half a minute.
 */
export const STATUS_LIST_TOKENS = 131_072;

/** Tokens of this time share a list: enough of them that an index says nothing, and a list soon retires. */
export const STATUS_LIST_SECONDS = 600;

/** How long a verifier may take what a list says without asking again. */
export const STATUS_LIST_TTL_SECONDS = 5;

/** How long a list may be believed at all: as long as a verifier on the feed believes that nothing has ended, for reading. */
const STATUS_LIST_LIFE_SECONDS = 60;

/** When every token of a list can be forgotten, whose first one was recorded at this instant. Exclusive. */
export function statusListEnd(begunAt: UnixSeconds): UnixSeconds {
  return forgetAfter(addSeconds(begunAt, STATUS_LIST_SECONDS + LIMITS.svidTtlSecondsMax));
}

/** Random bytes in the name of a list: two lists never have the same. */
export const STATUS_LIST_NAME_BYTES = 9;

/** @param random - `STATUS_LIST_NAME_BYTES` bytes. */
export function newStatusListName(random: Uint8Array): string {
  if (random.length !== STATUS_LIST_NAME_BYTES)
    throw new RangeError(`${STATUS_LIST_NAME_BYTES} random bytes are needed`);
  return base64urlOf(random);
}

/** @param issuer - the broker's https issuer URL. */
export function statusListUri(issuer: string, list: string): string {
  return `${issuer}/status/${list}`;
}

const LIST_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** The name in the URI of an issuer's list; `undefined` for anything else. */
export function statusListNameIn(issuer: string, uri: string): string | undefined {
  const below = statusListUri(issuer, "");
  const name = uri.startsWith(below) ? uri.slice(below.length) : "";
  return LIST_NAME.test(name) ? name : undefined;
}

export function statusClaim(issuer: string, { list, index }: TokenStatus): StatusClaim {
  return { status_list: { idx: index, uri: statusListUri(issuer, list) } };
}

/** The bits of a list, one for each token, all valid. */
export function newStatusBits(tokens = STATUS_LIST_TOKENS): Uint8Array {
  return new Uint8Array(Math.ceil(tokens / 8));
}

/**
 * Marks a token as invalid (0x01), which is never undone: the first token is in the lowest bit.
 *
 * @returns whether it was valid before
 * @see draft-ietf-oauth-status-list section 4.1
 */
export function invalidate(bits: Uint8Array, index: number): boolean {
  const byte = bits[index >> 3];
  if (byte === undefined) throw new RangeError("an index beyond the list");
  const mask = 1 << (index & 7);
  bits[index >> 3] = byte | mask;
  return (byte & mask) === 0;
}

/** Whether a token is valid (0x00); `undefined` for an index beyond the list, whose token is to be refused. */
export function isValidAt(bits: Uint8Array, index: number): boolean | undefined {
  const status = statusAt({ bits: 1, bytes: bits }, index);
  return status === undefined ? undefined : status === VALID;
}

/** How many bits of a list a token may have. draft-ietf-oauth-status-list section 4.1 */
export const STATUS_SIZES = [1, 2, 4, 8] as const;
export type StatusSize = (typeof STATUS_SIZES)[number];

/** A list that was unpacked. */
export type Statuses = { readonly bits: StatusSize; readonly bytes: Uint8Array };

/** Statuses of tokens; every other is for an application to give a meaning to. draft-ietf-oauth-status-list section 7.1 */
export const VALID = 0x00;
const INVALID = 0x01;

/**
 * The status of a token; `undefined` for an index beyond the list, whose token is to be refused. A token that has several bits has them
 * side by side, and the first token the lowest ones.
 *
 * @see draft-ietf-oauth-status-list section 4.1
 */
export function statusAt({ bits, bytes }: Statuses, index: number): number | undefined {
  const perByte = 8 / bits;
  const byte = Number.isSafeInteger(index) && index >= 0 ? bytes[Math.floor(index / perByte)] : undefined;
  return byte === undefined ? undefined : (byte >> ((index % perByte) * bits)) & (2 ** bits - 1);
}

/**
 * A list with all that an earlier one has as invalid, for that is never undone: a broker that leaves it out was put back in time, or has
 * forgotten it.
 */
export function withInvalidOf(earlier: Statuses, later: Statuses): Statuses {
  const { bits } = later;
  if (bits !== earlier.bits) return later;
  const bytes = Uint8Array.from(later.bytes);
  for (const [at, byte] of later.bytes.entries()) {
    const before = earlier.bytes[at] ?? byte;
    if (before === byte) continue;
    for (let shift = 0; shift < 8; shift += bits) {
      const mask = (2 ** bits - 1) << shift;
      if ((before & mask) === INVALID << shift) bytes[at] = ((bytes[at] ?? 0) & ~mask) | (INVALID << shift);
    }
  }
  return { bits, bytes };
}

/** What a status list token says. */
export type StatusListFacts = {
  readonly issuer: string;
  /** Name of the list. */
  readonly list: string;
  readonly issuedAt: UnixSeconds;
  /** The bits, compressed with zlib. */
  readonly compressed: Uint8Array;
};

/** @see draft-ietf-oauth-status-list section 5.1 */
export function statusListClaims({ issuer, list, issuedAt, compressed }: StatusListFacts) {
  return {
    iss: issuer,
    sub: statusListUri(issuer, list),
    iat: issuedAt,
    exp: issuedAt + STATUS_LIST_LIFE_SECONDS,
    ttl: STATUS_LIST_TTL_SECONDS,
    status_list: { bits: 1, lst: base64urlOf(compressed) },
  };
}
