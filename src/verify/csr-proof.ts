import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { csrInvalid, parseCsr } from "../domain/csr.ts";
import { pemOf } from "../domain/pem.ts";
import { keyRefused } from "../domain/public-key.ts";

/**
 * Accepts a certification request whose sender has proved to hold the private key.
 *
 * @param csr - PKCS#10, DER.
 * @returns the key, SubjectPublicKeyInfo in DER: all that is taken from the request.
 * @throws BrokerError CSR_INVALID for a request that is malformed or not signed by its own key, KEY_REFUSED for a key
 *   of another kind or a point off its curve
 * @see RFC 2986 section 3, note 2
 */
export function checkCsr(csr: Uint8Array): { readonly publicKey: Uint8Array } {
  const { publicKey, signedPart, hash, signature } = parseCsr(csr);
  const key = keyOf(publicKey);
  if (!isSignedBy(key, hash, signedPart, signature)) throw csrInvalid("a signature by the request's own key");
  // A copy: the input may be a view of a buffer that its owner reuses.
  return { publicKey: Uint8Array.from(publicKey) };
}

/**
 * OpenSSL refuses points that are not on their curve. The key is given as text, which Node reads in less than half the
 * time: it first asks of every object whether it is a key already, and that answer is an error that it makes and drops.
 */
function keyOf(spki: Uint8Array): KeyObject {
  try {
    return createPublicKey(pemOf("PUBLIC KEY", spki));
  } catch {
    throw keyRefused("not a key of its kind");
  }
}

function isSignedBy(key: KeyObject, hash: string, data: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(hash, data, key, signature);
  } catch {
    // For some keys that are malformed, Node throws instead of answering.
    return false;
  }
}
