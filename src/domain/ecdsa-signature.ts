import { integerOf, sequenceOf, TAG } from "./der.ts";
import { DerError, membersOf, parseDer, positiveOf } from "./der-reader.ts";

/** Bytes of one coordinate of P-256; a signature in JOSE is two numbers of this length. */
const COORDINATE_BYTES = 32;

/** Bytes of an ES256 signature as JOSE has it. */
export const P1363_BYTES = 2 * COORDINATE_BYTES;

/**
 * A P-256 signature as JOSE has it, r and s of 32 bytes each, from the DER form that a signer gives. Converted by hand,
 * since Node signs three times slower when it is asked for the JOSE form.
 *
 * @throws DerError when it is not the DER of two positive integers of at most 32 bytes
 * @see RFC 7518 section 3.4, RFC 3279 section 2.2.3
 */
export function p1363FromDer(signature: Uint8Array): Uint8Array {
  const [first, second] = membersOf(parseDer(signature, TAG.sequence), TAG.integer, TAG.integer);
  const r = positiveOf(first);
  const s = positiveOf(second);
  if (r.length > COORDINATE_BYTES || s.length > COORDINATE_BYTES) throw new DerError("not a P-256 signature");
  const joined = new Uint8Array(P1363_BYTES);
  joined.set(r, COORDINATE_BYTES - r.length);
  joined.set(s, P1363_BYTES - s.length);
  return joined;
}

/**
 * The DER form of a P-256 signature that is two numbers of 32 bytes, as JOSE and PKCS #11 have it.
 *
 * @throws DerError when the signature is of another length
 * @see RFC 3279 section 2.2.3
 */
export function derFromP1363(signature: Uint8Array): Uint8Array {
  if (signature.length !== P1363_BYTES) throw new DerError("not a P-256 signature");
  return sequenceOf(
    integerOf(signature.subarray(0, COORDINATE_BYTES)),
    integerOf(signature.subarray(COORDINATE_BYTES)),
  );
}
