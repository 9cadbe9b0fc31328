import { base64urlOf } from "./base64url.ts";
import { TAG } from "./der.ts";
import { bitsOf, DerError, dottedOf, elementsOf, membersOf, parseDer, positiveOf } from "./der-reader.ts";
import { sha256Hex } from "./digest.ts";
import { BrokerError } from "./errors.ts";

/** A shorter modulus can be broken. */
const RSA_MODULUS_BITS_MIN = 2_048;
/** With a longer modulus, one handshake costs a verifier milliseconds, and nobody is safer. */
const RSA_MODULUS_BITS_MAX = 8_192;
/** Smaller exponents have a history of broken paddings. */
const RSA_EXPONENT_MIN = 65_537;
/** Larger exponents make Go refuse the whole certificate. */
const RSA_EXPONENT_MAX = 2 ** 31 - 1;

const EC_PUBLIC_KEY = "1.2.840.10045.2.1";
const RSA_ENCRYPTION = "1.2.840.113549.1.1.1";
/** Bytes of a coordinate of each curve: P-256 and P-384. */
const COORDINATE_BYTES = new Map([
  ["1.2.840.10045.3.1.7", 32],
  ["1.3.132.0.34", 48],
]);
const UNCOMPRESSED = 4;

const KEY_IDENTIFIER_BYTES = 20;

/**
 * Accepts a key that a credential may be issued for: P-256 or P-384 on a named curve with an uncompressed point, or RSA
 * of 2048 to 8192 bits. Whether a point is on its curve takes arithmetic to tell, and is left to the code that makes a
 * key object of `spki`.
 *
 * @param spki - SubjectPublicKeyInfo, DER.
 * @returns what kind of key it is.
 * @throws BrokerError KEY_REFUSED
 * @see RFC 5480 section 2, RFC 3279 section 2.3.1
 */
export function checkPublicKey(spki: Uint8Array): "ec" | "rsa" {
  try {
    const [algorithm, bits] = membersOf(parseDer(spki, TAG.sequence), TAG.sequence, TAG.bitString);
    const [type, parameters, ...rest] = elementsOf(algorithm);
    if (type === undefined || parameters === undefined || rest.length > 0) throw new DerError("not an algorithm");
    const key = bitsOf(bits);
    switch (dottedOf(type)) {
      case EC_PUBLIC_KEY: {
        const bytes = COORDINATE_BYTES.get(dottedOf(parameters));
        if (bytes !== undefined && key.length === 1 + 2 * bytes && key[0] === UNCOMPRESSED) return "ec";
        break;
      }
      case RSA_ENCRYPTION: {
        const hasNullParameters = parameters.tag === TAG.null && parameters.content.length === 0;
        if (hasNullParameters && isGoodRsaKey(key)) return "rsa";
        break;
      }
    }
  } catch (thrown) {
    if (!(thrown instanceof DerError)) throw thrown;
    throw keyRefused(thrown.message);
  }
  throw keyRefused();
}

/** The refusal of a key; the message says what is accepted, since the caller has the key at hand. */
export function keyRefused(detail?: string): BrokerError {
  const message = `key: P-256 or P-384 with a named curve and an uncompressed point, or RSA of ${RSA_MODULUS_BITS_MIN} to ${RSA_MODULUS_BITS_MAX} bits`;
  return new BrokerError("KEY_REFUSED", message, detail === undefined ? {} : { detail });
}

function isGoodRsaKey(key: Uint8Array): boolean {
  const [first, second] = membersOf(parseDer(key, TAG.sequence), TAG.integer, TAG.integer);
  const modulus = positiveOf(first);
  const exponent = positiveOf(second);
  const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24;
  if (bits < RSA_MODULUS_BITS_MIN || bits > RSA_MODULUS_BITS_MAX) return false;
  if (exponent.length > 4) return false;
  const value = exponent.reduce((sum, octet) => sum * 0x100 + octet, 0);
  return isOdd(modulus) && isOdd(exponent) && value >= RSA_EXPONENT_MIN && value <= RSA_EXPONENT_MAX;
}

function isOdd(magnitude: Uint8Array): boolean {
  return ((magnitude[magnitude.length - 1] ?? 0) & 1) === 1;
}

/**
 * Identifies a key: the leftmost 160 bits of the SHA-256 of its bits.
 *
 * @param spki - SubjectPublicKeyInfo, DER.
 * @throws DerError
 * @see RFC 7093 section 2, method 1
 */
export function keyIdentifierOf(spki: Uint8Array): Uint8Array {
  const [, bits] = membersOf(parseDer(spki, TAG.sequence), TAG.sequence, TAG.bitString);
  return Buffer.from(sha256Hex(bitsOf(bits)).slice(0, 2 * KEY_IDENTIFIER_BYTES), "hex");
}

/** The id of the authority that signs with a key, also the `kid`: the key's identifier in lower-case hexadecimal. */
export function authorityIdOf(spki: Uint8Array): string {
  return Buffer.from(keyIdentifierOf(spki)).toString("hex");
}

/** A P-256 public key in the member names of RFC 7518. */
export type EcJwk = { readonly kty: "EC"; readonly crv: "P-256"; readonly x: string; readonly y: string };

/**
 * The JWK of a P-256 key.
 *
 * @throws BrokerError KEY_REFUSED for any other
 * @see RFC 7518 section 6.2.1
 */
export function ecJwkOf(spki: Uint8Array): EcJwk {
  // The header of a P-256 key is always the same bytes, up to and including the mark of an uncompressed point.
  const header = Buffer.from(P256_HEADER, "hex");
  const coordinates = spki.subarray(header.length);
  if (coordinates.length !== 64 || header.compare(spki, 0, header.length) !== 0) throw keyRefused();
  return {
    kty: "EC",
    crv: "P-256",
    x: base64urlOf(coordinates.subarray(0, 32)),
    y: base64urlOf(coordinates.subarray(32)),
  };
}

/** The public key of a CA in the member names of RFC 7518: an upstream CA may also have a P-384 or an RSA key. */
export type CaJwk =
  | { readonly kty: "EC"; readonly crv: "P-256" | "P-384"; readonly x: string; readonly y: string }
  | { readonly kty: "RSA"; readonly n: string; readonly e: string };

/**
 * The JWK of a key that `checkPublicKey` accepts.
 *
 * @throws BrokerError KEY_REFUSED for any other
 * @see RFC 7518 section 6
 */
export function caJwkOf(spki: Uint8Array): CaJwk {
  const kind = checkPublicKey(spki);
  const [, bits] = membersOf(parseDer(spki, TAG.sequence), TAG.sequence, TAG.bitString);
  const key = bitsOf(bits);
  if (kind === "rsa") {
    const [modulus, exponent] = membersOf(parseDer(key, TAG.sequence), TAG.integer, TAG.integer);
    return { kty: "RSA", n: base64urlOf(positiveOf(modulus)), e: base64urlOf(positiveOf(exponent)) };
  }
  const coordinates = key.subarray(1);
  const half = coordinates.length / 2;
  const point = { x: base64urlOf(coordinates.subarray(0, half)), y: base64urlOf(coordinates.subarray(half)) };
  return { kty: "EC", crv: half === 32 ? "P-256" : "P-384", ...point };
}

const P256_HEADER = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
