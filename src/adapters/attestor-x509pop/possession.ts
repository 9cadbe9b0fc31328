import { constants, createPublicKey, type KeyObject, verify } from "node:crypto";

/** P-256 goes with SHA-256 and P-384 with SHA-384, as in RFC 5753 and in TLS 1.3. */
const HASH_OF_CURVE: Readonly<Record<string, string>> = { prime256v1: "sha256", secp384r1: "sha384" };
const RSA_HASH = "sha256";

/**
 * Whether a key signed the data, by the one algorithm for this kind of key.
 *
 * @param publicKey - SubjectPublicKeyInfo, DER, of a certificate whose path was found valid.
 */
export function isSignedBy(publicKey: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
  try {
    return key.asymmetricKeyType === "rsa" ? isPssSigned(key, data, signature) : isEcdsaSigned(key, data, signature);
  } catch {
    // For some malformed signatures the library throws, where it could answer `false`.
    return false;
  }
}

function isPssSigned(key: KeyObject, data: Uint8Array, signature: Uint8Array): boolean {
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return verify(RSA_HASH, data, { key, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }, signature);
}

function isEcdsaSigned(key: KeyObject, data: Uint8Array, signature: Uint8Array): boolean {
  const hash = HASH_OF_CURVE[key.asymmetricKeyDetails?.namedCurve ?? ""];
  return hash !== undefined && verify(hash, data, { key, dsaEncoding: "der" }, signature);
}
