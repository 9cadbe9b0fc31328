import { sha256Hex } from "./digest.ts";

/** The length of an `x509pop` challenge. */
export const CHALLENGE_BYTES = 32;

/** No other protocol that the key may be used in signs bytes that begin with this text. */
const PURPOSE = "stint.v1 x509pop\0";

/**
 * The bytes that the presenter of a certificate signs with the certificate's key: `stint.v1 x509pop` and a zero byte,
 * the challenge, and the SHA-256 of the request for a certificate (32 bytes) that went with the evidence. So an answer
 * is good once, for this purpose, and for the presenter's own request: a party in the middle can't put a request of its
 * own beside the answer.
 *
 * @param challenge - `CHALLENGE_BYTES` long; for any other length nothing is signed.
 * @param csr - PKCS#10, DER, as it was sent.
 */
export function possessionProofOf(challenge: Uint8Array, csr: Uint8Array): Uint8Array {
  if (challenge.length !== CHALLENGE_BYTES) throw new RangeError(`a challenge is ${CHALLENGE_BYTES} bytes`);
  return Buffer.concat([Buffer.from(PURPOSE, "latin1"), challenge, Buffer.from(sha256Hex(csr), "hex")]);
}
