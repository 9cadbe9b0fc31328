import { createHash } from "node:crypto";
import { readCertificate } from "../domain/certificate.ts";
import { DerError } from "../domain/der-reader.ts";
import { certificatesInPem } from "../domain/pem.ts";

/** Header, payload and signature; in front perhaps the word `Bearer`, as in an HTTP header. */
const JWS = /^(?:bearer\s+)?([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+$/i;
const DER_SEQUENCE = 0x30;

/**
 * SHA-256 of the signed part of a credential, by which the ledger knows every credential that was ever issued.
 *
 * @param credential - a JWS in compact serialization, or a certificate in PEM (the first of a chain) or DER.
 * @returns 32 bytes; `undefined` for anything else. Never throws.
 */
export function signedPartSha256(credential: Uint8Array): Uint8Array | undefined {
  const text = Buffer.from(credential).toString("latin1").trim();
  const [, signedPart] = JWS.exec(text) ?? [];
  if (signedPart !== undefined) return sha256(Buffer.from(signedPart, "latin1"));
  const [der = credential] = certificatesInPem(text);
  return der[0] === DER_SEQUENCE ? digestOfCertificate(der) : undefined;
}

function digestOfCertificate(der: Uint8Array): Uint8Array | undefined {
  try {
    return sha256(readCertificate(der).toBeSigned);
  } catch (thrown) {
    if (thrown instanceof DerError) return undefined;
    throw thrown;
  }
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash("sha256").update(bytes).digest();
}
