import { createPublicKey, type KeyObject } from "node:crypto";
import { base64urlOf } from "../domain/base64url.ts";

/** RFC 8032 section 5.1.6 */
export const ED25519_SIGNATURE_BYTES = 64;

/** @param publicKey - 32 bytes. @throws the error of Node.js for bytes that are no key */
export function ed25519KeyOf(publicKey: Uint8Array): KeyObject {
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: base64urlOf(publicKey) }, format: "jwk" });
}
