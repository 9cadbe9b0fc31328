import { base64urlOf } from "./base64url.ts";
import type { UnixMicros } from "./time.ts";

/** What an id begins with, so that an id of one kind is never taken for an id of another. */
const PREFIXES = {
  step: "step",
  issuance: "iss",
  decision: "dec",
  entry: "entry",
  epoch: "epoch",
  hold: "hold",
  callApproval: "call",
  exchange: "xch",
} as const;

export type IdKind = keyof typeof PREFIXES;

/** Random bytes that an id or a `jti` takes. */
export const ID_RANDOM_BYTES = 10;

/** Random bytes that a certificate's serial number takes. */
export const SERIAL_NUMBER_RANDOM_BYTES = 16;

/**
 * A new id: a UUIDv7 in its usual text, behind the prefix of its kind, e.g. `step_0192f3a1-…`. Ids made later sort
 * later, by the millisecond, which keeps an index small and quick.
 *
 * @param random - `ID_RANDOM_BYTES` bytes.
 * @see RFC 9562 section 5.7
 */
export function newId(kind: IdKind, now: UnixMicros, random: Uint8Array): string {
  const bytes = timeThenRandom(now, random);
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = bytes.toString("hex");
  const uuid = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
  return `${PREFIXES[kind]}_${uuid}`;
}

/**
 * A new `jti`: 48 bits of time in milliseconds, then 80 random bits, base64url.
 *
 * @param random - `ID_RANDOM_BYTES` bytes.
 */
export function newJti(now: UnixMicros, random: Uint8Array): string {
  return base64urlOf(timeThenRandom(now, random));
}

/** Characters of a `jti`. */
export const JTI_LENGTH = 22;

/**
 * A new certificate serial number: positive, at most 16 bytes, in lower-case hexadecimal without leading zero bytes.
 *
 * @param random - `SERIAL_NUMBER_RANDOM_BYTES` bytes.
 * @see RFC 5280 section 4.1.2.2
 */
export function newSerialNumber(random: Uint8Array): string {
  const bytes = sized(random, SERIAL_NUMBER_RANDOM_BYTES);
  bytes[0] = (bytes[0] ?? 0) & 0x7f;
  const hex = bytes.toString("hex").replace(/^(?:00)+/, "");
  // All zero is what a broken source of randomness gives; a serial of zero must not exist.
  if (hex === "") throw new RangeError("random bytes that are all zero");
  return hex;
}

function timeThenRandom(now: UnixMicros, random: Uint8Array): Buffer {
  const bytes = Buffer.alloc(6 + ID_RANDOM_BYTES);
  bytes.writeUIntBE(Math.floor(now / 1_000), 0, 6);
  bytes.set(sized(random, ID_RANDOM_BYTES), 6);
  return bytes;
}

function sized(random: Uint8Array, bytes: number): Buffer {
  if (random.length !== bytes) throw new RangeError(`${bytes} random bytes are needed`);
  return Buffer.from(random);
}
