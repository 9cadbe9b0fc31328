import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { KEY_USAGE } from "../domain/certificate-extensions.ts";
import { DerError } from "../domain/der-reader.ts";
import { BrokerError } from "../domain/errors.ts";
import { checkPublicKey, keyRefused } from "../domain/public-key.ts";
import { hasSubject, readSignedCertificate, type SignedCertificate } from "../domain/signed-certificate.ts";
import type { UnixSeconds } from "../domain/time.ts";
import { areEvaluable } from "./name-constraints.ts";
import { VerificationError } from "./verification-error.ts";

/*
 * What one certificate must be to stand in a path, whatever stands beside it. RFC 5280 sections 4 and 6.1.
 */

/** RSA keys that are not a multiple of this long come from broken or home-made generators. */
const RSA_MODULUS_BITS_UNIT = 8;

/**
 * Reads a presented certificate.
 *
 * @throws VerificationError CERTIFICATE_INVALID
 */
export function parseCertificate(der: Uint8Array): SignedCertificate {
  try {
    return readSignedCertificate(der);
  } catch (thrown) {
    if (thrown instanceof DerError) throw certificateInvalid(`a certificate in strict DER, and not ${thrown.message}`);
    throw thrown;
  }
}

/** The fault of a certificate at its place in a path; `undefined` when it has none. */
export type Fault = VerificationError | undefined;

/** Checks for every certificate of a path. */
export function faultOf(certificate: SignedCertificate, now: UnixSeconds): Fault {
  const { extensions, notBefore, expiresAt } = certificate;
  const [unprocessed] = extensions.unprocessed;
  if (unprocessed !== undefined) {
    return certificateInvalid(`no critical extension that is not processed here, such as ${unprocessed}`);
  }
  const { subjectAltName } = extensions;
  if (!hasSubject(certificate) && subjectAltName?.critical !== true) {
    return certificateInvalid("a subject, or a critical subject alternative name");
  }
  // Written as "has begun" and "not yet over", so that a clock that is not a number refuses.
  if (!(now >= notBefore)) return new VerificationError("NOT_YET_VALID", "a certificate is not valid yet");
  if (!(now < expiresAt)) return new VerificationError("EXPIRED", "a certificate has expired");
  return isGoodKey(certificate)
    ? undefined
    : new VerificationError("ALGORITHM_REFUSED", "a key is not P-256, P-384 or RSA of 2048 bits or more");
}

/** Further checks for a certificate that another certificate's key signed. */
export function faultOfIssued({ extensions }: SignedCertificate): Fault {
  const { authorityKeyIdentifier } = extensions;
  return authorityKeyIdentifier === undefined ? certificateInvalid("an authority key identifier") : undefined;
}

/** Further checks for the leaf of a path. */
export function faultOfLeaf({ extensions }: SignedCertificate, keyPurposes: readonly string[]): Fault {
  const { basicConstraints, keyUsage, nameConstraints } = extensions;
  if (basicConstraints?.isAuthority === true || keyUsage?.bits.has(KEY_USAGE.keyCertSign) === true) {
    return certificateInvalid("a leaf that is no authority");
  }
  if (nameConstraints !== undefined) return certificateInvalid("name constraints in authorities alone");
  return faultOfPurposes(extensions.extendedKeyUsage, keyPurposes);
}

/** Further checks for a certificate whose key signs other certificates. */
export function faultOfIssuer(certificate: SignedCertificate, keyPurposes: readonly string[]): Fault {
  const { basicConstraints, keyUsage, nameConstraints, subjectKeyIdentifier, extendedKeyUsage } =
    certificate.extensions;
  if (basicConstraints?.isAuthority !== true || !basicConstraints.critical) {
    return certificateInvalid("an issuer with critical basic constraints that make it an authority");
  }
  if (keyUsage?.bits.has(KEY_USAGE.keyCertSign) !== true) return certificateInvalid("an issuer whose key may sign");
  if (!hasSubject(certificate)) return certificateInvalid("an issuer with a subject");
  if (subjectKeyIdentifier === undefined) return certificateInvalid("an issuer with a subject key identifier");
  if (nameConstraints !== undefined && !(nameConstraints.critical && areEvaluable(nameConstraints))) {
    return certificateInvalid("no name constraints but critical ones on URIs");
  }
  return faultOfPurposes(extendedKeyUsage, keyPurposes);
}

/** An authority that names purposes may sign only leaves for these purposes, as all verifiers read it. */
function faultOfPurposes(named: readonly string[] | undefined, wanted: readonly string[]): Fault {
  const isFor = named === undefined || wanted.every((purpose) => named.includes(purpose));
  return isFor ? undefined : certificateInvalid("the extended key usage that is needed, or none");
}

function isGoodKey(certificate: SignedCertificate): boolean {
  try {
    const kind = checkPublicKey(certificate.publicKey);
    const { modulusLength = 0 } = keyOf(certificate).asymmetricKeyDetails ?? {};
    return kind === "ec" || modulusLength % RSA_MODULUS_BITS_UNIT === 0;
  } catch (thrown) {
    if (thrown instanceof BrokerError) return false;
    throw thrown;
  }
}

/** Keys of trusted authorities verify again and again, and making a key object takes a tenth of a verification. */
const keys = new WeakMap<SignedCertificate, KeyObject>();

/** @throws BrokerError KEY_REFUSED for bytes that are no key: OpenSSL refuses points that are not on their curve. */
function keyOf(certificate: SignedCertificate): KeyObject {
  const known = keys.get(certificate);
  if (known !== undefined) return known;
  try {
    const key = createPublicKey({ key: Buffer.from(certificate.publicKey), format: "der", type: "spki" });
    keys.set(certificate, key);
    return key;
  } catch {
    throw keyRefused("not a key of its kind");
  }
}

/** Checks that an issuer signed a certificate, by an accepted algorithm. The issuer's key was found good before. */
export function faultOfSignature(certificate: SignedCertificate, issuer: SignedCertificate): Fault {
  const { signatureAlgorithm, toBeSigned, signature } = certificate;
  const key = keyOf(issuer);
  if (signatureAlgorithm === undefined || signatureAlgorithm.key !== key.asymmetricKeyType) {
    return new VerificationError("ALGORITHM_REFUSED", "a signature is not ECDSA or RSA with SHA-256, 384 or 512");
  }
  return isSigned(signatureAlgorithm.hash, toBeSigned, key, signature)
    ? undefined
    : new VerificationError("SIGNATURE_INVALID", "the signature of a certificate does not hold");
}

function isSigned(hash: string, data: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
  try {
    return verify(hash, data, key, signature);
  } catch {
    // For some signatures that are malformed, Node throws instead of answering.
    return false;
  }
}

export function certificateInvalid(expected: string): VerificationError {
  return new VerificationError("CERTIFICATE_INVALID", `certificates: expected ${expected}`);
}
