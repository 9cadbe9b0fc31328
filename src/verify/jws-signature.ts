import { constants, type KeyObject, verify } from "node:crypto";
import { lengthOctets, TAG, writeHeader } from "../domain/der.ts";

/**
 * The algorithms of JWT-SVID, and no more: neither `none` nor a symmetric algorithm is in this table.
 *
 * @see JWT-SVID section 2.1, RFC 7518 section 3.1
 */
const ALGORITHMS = {
  ES256: { family: "ecdsa", hash: "sha256", curve: "prime256v1", scalarBytes: 32 },
  ES384: { family: "ecdsa", hash: "sha384", curve: "secp384r1", scalarBytes: 48 },
  ES512: { family: "ecdsa", hash: "sha512", curve: "secp521r1", scalarBytes: 66 },
  RS256: { family: "pkcs1", hash: "sha256" },
  RS384: { family: "pkcs1", hash: "sha384" },
  RS512: { family: "pkcs1", hash: "sha512" },
  PS256: { family: "pss", hash: "sha256" },
  PS384: { family: "pss", hash: "sha384" },
  PS512: { family: "pss", hash: "sha512" },
} as const;

export type JwsAlgorithm = keyof typeof ALGORITHMS;
export const JWS_ALGORITHMS = Object.keys(ALGORITHMS) as readonly JwsAlgorithm[];

const RSA_MODULUS_BITS_MIN = 2_048;
/** Verifying with a larger modulus costs so much that a bundle could stall its verifiers. */
const RSA_MODULUS_BITS_MAX = 8_192;
/** Most forgeries of PKCS#1 signatures have exploited a smaller exponent. */
const RSA_EXPONENT_MIN = 65_537n;

export function isJwsAlgorithm(name: string): name is JwsAlgorithm {
  return Object.hasOwn(ALGORITHMS, name);
}

/**
 * The algorithms that a public key may verify, by its type and size. A token picks one of these, and so can never use
 * the key with an algorithm of another family.
 *
 * @returns empty for a key that is not accepted at all. Never throws.
 */
export function algorithmsOf(key: KeyObject): readonly JwsAlgorithm[] {
  if (key.asymmetricKeyType === "ec") {
    const curve = key.asymmetricKeyDetails?.namedCurve;
    return JWS_ALGORITHMS.filter((name) => {
      const algorithm = ALGORITHMS[name];
      return algorithm.family === "ecdsa" && algorithm.curve === curve;
    });
  }
  if (key.asymmetricKeyType !== "rsa") return [];
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  const accepted =
    modulusLength >= RSA_MODULUS_BITS_MIN &&
    modulusLength <= RSA_MODULUS_BITS_MAX &&
    publicExponent >= RSA_EXPONENT_MIN;
  return accepted ? JWS_ALGORITHMS.filter((name) => ALGORITHMS[name].family !== "ecdsa") : [];
}

/**
 * Whether a JWS signature holds. The caller has made sure that the key is for this algorithm.
 *
 * An ECDSA signature has a twin, (r, n − s), that holds too, so two texts may be one token: count tokens by `jti`.
 *
 * @param signature - as in a JWS: for ECDSA r and s side by side, each of the curve's length.
 * @see RFC 7518 sections 3.3 to 3.5
 */
export function verifySignature(
  algorithm: JwsAlgorithm,
  key: KeyObject,
  signed: Uint8Array,
  signature: Uint8Array,
): boolean {
  const parameters = ALGORITHMS[algorithm];
  switch (parameters.family) {
    case "ecdsa":
      // Converted here, since Node's own conversion costs half as much again as the verification itself.
      return (
        signature.length === 2 * parameters.scalarBytes &&
        verify(parameters.hash, signed, key, derSignature(signature, parameters.scalarBytes))
      );
    case "pkcs1":
      return verify(parameters.hash, signed, { key, padding: constants.RSA_PKCS1_PADDING }, signature);
    case "pss":
      return verify(
        parameters.hash,
        signed,
        { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
        signature,
      );
  }
}

/**
 * ECDSA-Sig-Value from r and s side by side, written in place: putting it together of parts takes a twentieth of the time of the
 * verification, which finds out whether both are in range.
 *
 * @see RFC 3279 section 2.2.3, X.690 section 8.3
 */
function derSignature(signature: Uint8Array, scalarBytes: number): Uint8Array {
  const r = integerAt(signature, 0, scalarBytes);
  const s = integerAt(signature, scalarBytes, 2 * scalarBytes);
  const length = 2 + r.length + 2 + s.length;
  const header = 1 + lengthOctets(length);
  const encoded = new Uint8Array(header + length);
  writeHeader(encoded, 0, TAG.sequence, length);
  writeInteger(encoded, header, signature, r);
  writeInteger(encoded, header + 2 + r.length, signature, s);
  return encoded;
}

/** Where the digits of an INTEGER are, and how many octets it has: without leading zeros, but for one before a first bit that is set. */
type IntegerPart = { readonly start: number; readonly end: number; readonly length: number };

function integerAt(bytes: Uint8Array, from: number, end: number): IntegerPart {
  let start = from;
  while (start < end - 1 && bytes[start] === 0) start += 1;
  const sign = (bytes[start] ?? 0) >= 0x80 ? 1 : 0;
  return { start, end, length: sign + end - start };
}

function writeInteger(into: Uint8Array, offset: number, bytes: Uint8Array, { start, end, length }: IntegerPart): void {
  const content = writeHeader(into, offset, TAG.integer, length);
  // The octet of the sign, if there is one, is the zero that is there already.
  into.set(bytes.subarray(start, end), content + length - (end - start));
}
