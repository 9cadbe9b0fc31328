import type { Certificate } from "./certificate.ts";
import { type CertificateExtensions, type Extension, readExtensions } from "./certificate-extensions.ts";
import { contextConstructed, TAG } from "./der.ts";
import {
  bitsOf,
  checkNested,
  checkTrue,
  countOf,
  type DerElement,
  DerError,
  dottedOf,
  elementsOf,
  instantOf,
  membersOf,
  parseDer,
  positiveOf,
} from "./der-reader.ts";
import { type SignatureAlgorithm, signatureAlgorithmOf } from "./signature-algorithm.ts";
import { addSeconds, type UnixSeconds } from "./time.ts";

/** A certificate read to be judged; nothing of it is verified yet. */
export type SignedCertificate = Omit<Certificate, "extensions"> & {
  /** The whole certificate, DER. */
  readonly encoded: Uint8Array;
  /** `undefined`: the algorithm is not one that is accepted. */
  readonly signatureAlgorithm: SignatureAlgorithm | undefined;
  readonly signature: Uint8Array;
  readonly notBefore: UnixSeconds;
  /** Exclusive: one second after `notAfter`, which X.509 counts as valid. */
  readonly expiresAt: UnixSeconds;
  /** Issuer and subject have the same name. RFC 5280 section 3.2. */
  readonly isSelfIssued: boolean;
  readonly extensions: CertificateExtensions;
};

/** An X.509-SVID is below 1 KiB, with an RSA-4096 key and the longest SPIFFE ID below 4 KiB. */
const CERTIFICATE_BYTES_MAX = 16 * 1024;

const VERSION_3 = 2;
/** RFC 5280 section 4.1.2.2. */
const SERIAL_NUMBER_BYTES_MAX = 20;

/**
 * Reads a version 3 certificate, strictly: DER down to the values of its extensions, no extension twice, the same
 * algorithm inside and outside of the signed part, a positive serial number of at most 20 octets, a named issuer.
 *
 * @param der - at most `CERTIFICATE_BYTES_MAX`.
 * @throws DerError
 * @see RFC 5280 section 4.1
 */
export function readSignedCertificate(der: Uint8Array): SignedCertificate {
  if (der.length > CERTIFICATE_BYTES_MAX) throw new DerError(`more than ${CERTIFICATE_BYTES_MAX} bytes`);
  const whole = parseDer(der, TAG.sequence);
  checkNested(whole);
  const [signedPart, algorithm, signature] = membersOf(whole, TAG.sequence, TAG.sequence, TAG.bitString);
  const [version, serialNumber, innerAlgorithm, issuer, validity, subject, publicKey, extensions] = membersOf(
    signedPart,
    contextConstructed(0),
    TAG.integer,
    TAG.sequence,
    TAG.sequence,
    TAG.sequence,
    TAG.sequence,
    TAG.sequence,
    contextConstructed(3),
  );
  const [versionNumber] = membersOf(version, TAG.integer);
  if (countOf(versionNumber) !== VERSION_3) throw new DerError("not version 3");
  if (serialNumber.content.length > SERIAL_NUMBER_BYTES_MAX) throw new DerError("a serial number of over 20 octets");
  if (!sameBytes(algorithm.encoded, innerAlgorithm.encoded)) throw new DerError("two signature algorithms");
  if (issuer.content.length === 0) throw new DerError("no issuer");
  const [notBefore, notAfter, ...more] = elementsOf(validity);
  if (notBefore === undefined || notAfter === undefined || more.length > 0) throw new DerError("not a validity");
  const [list] = membersOf(extensions, TAG.sequence);
  return {
    encoded: whole.encoded,
    toBeSigned: signedPart.encoded,
    serialNumber: Buffer.from(positiveOf(serialNumber)).toString("hex"),
    issuer: issuer.encoded,
    subject: subject.encoded,
    publicKey: publicKey.encoded,
    signatureAlgorithm: signatureAlgorithmOf(algorithm),
    signature: bitsOf(signature),
    notBefore: instantOf(notBefore),
    expiresAt: addSeconds(instantOf(notAfter), 1),
    isSelfIssued: sameBytes(issuer.encoded, subject.encoded),
    extensions: readExtensions(extensionsByOid(elementsOf(list))),
  };
}

/** Whether the certificate names its holder in the subject, and not in an alternative name alone. */
export function hasSubject({ subject }: SignedCertificate): boolean {
  return parseDer(subject, TAG.sequence).content.length > 0;
}

function extensionsByOid(extensions: readonly DerElement[]): ReadonlyMap<string, Extension> {
  const byOid = new Map<string, Extension>();
  for (const element of extensions) {
    const [oid, extension] = extensionOf(element);
    if (byOid.has(oid)) throw new DerError("an extension twice");
    byOid.set(oid, extension);
  }
  if (byOid.size === 0) throw new DerError("no extensions in their list");
  return byOid;
}

function extensionOf(element: DerElement): [string, Extension] {
  const members = elementsOf(element);
  const [oid, second] = members;
  const value = members[members.length - 1];
  if (oid === undefined || second === undefined || value?.tag !== TAG.octetString || members.length > 3) {
    throw new DerError("not an extension");
  }
  const critical = members.length === 3;
  if (critical) checkTrue(second);
  // A value that nobody reads here must be DER as well, or the next reader may find something else in the value.
  checkNested(parseDer(value.content, value.content[0] ?? 0));
  return [dottedOf(oid), { critical, value: value.content }];
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
