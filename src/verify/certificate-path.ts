import type { SignedCertificate } from "../domain/signed-certificate.ts";
import type { UnixSeconds } from "../domain/time.ts";
import { isWithin } from "./name-constraints.ts";
import {
  certificateInvalid,
  type Fault,
  faultOf,
  faultOfIssued,
  faultOfIssuer,
  faultOfLeaf,
  faultOfSignature,
  parseCertificate,
} from "./path-certificate.ts";
import { VerificationError } from "./verification-error.ts";

/** A leaf and all certificates that were sent with it; SPIFFE deployments send three at most. */
const CHAIN_CERTIFICATES_MAX = 10;
/**
 * The presenter of a chain chooses how many issuers each certificate seems to have, and each of them costs a
 * verification of a signature. An honest chain takes as many verifications as it has certificates.
 */
const SIGNATURE_CHECKS_MAX = 32;

export type PathOptions = {
  /** Authorities that are trusted for the identity that this leaf claims. */
  readonly anchors: readonly SignedCertificate[];
  /** The verifier's clock, rounded down. */
  readonly now: UnixSeconds;
  /** KeyPurposeIds, dotted. A certificate with an extended key usage must have all of them. */
  readonly keyPurposes: readonly string[];
  /** How many authorities may be between anchor and leaf, self-issued ones aside. Default: as many as can be sent. */
  readonly intermediatesMax?: number;
};

/** Leaf first, the trusted authority last; at least two. */
export type CertificatePath = readonly SignedCertificate[];

/**
 * Finds a valid path from a leaf to a trusted authority: each certificate is signed by the next, is within its time,
 * has an accepted key and algorithm and an issuer that may sign, and keeps to path lengths and constraints on URIs. No
 * leeway on time. Policies are not processed: a certificate that restricts them is refused, like one with any other
 * critical extension that is not processed here. Revocation and the meaning of the leaf's names are not looked at.
 *
 * Names are compared byte by byte, since everybody copies an issuer's name so.
 *
 * @param chain - DER; the leaf first, the others in any order; certificates that lead nowhere are ignored.
 * @throws VerificationError CERTIFICATE_INVALID, ALGORITHM_REFUSED, SIGNATURE_INVALID, EXPIRED, NOT_YET_VALID, or
 *   KEY_UNKNOWN when no trusted authority issued it; of several faults the first that was met
 * @see RFC 5280 section 6.1
 */
export function verifyCertificatePath(chain: readonly Uint8Array[], options: PathOptions): CertificatePath {
  const leaf = parseLeaf(chain);
  const fault = faultOf(leaf, options.now) ?? faultOfIssued(leaf) ?? faultOfLeaf(leaf, options.keyPurposes);
  if (fault !== undefined) throw fault;
  const faults: VerificationError[] = [];
  const intermediates = chain.slice(1).flatMap((der) => readable(der, faults));
  const path = searchPath(leaf, intermediates, options, faults);
  if (path !== undefined) return path;
  throw faults[0] ?? new VerificationError("KEY_UNKNOWN", "no trusted authority issued the certificate");
}

/**
 * Reads the leaf of a presented chain, to find out who it claims to be.
 *
 * @throws VerificationError CERTIFICATE_INVALID
 */
export function parseLeaf([leaf, ...others]: readonly Uint8Array[]): SignedCertificate {
  if (leaf === undefined || others.length >= CHAIN_CERTIFICATES_MAX) {
    throw certificateInvalid(`1 to ${CHAIN_CERTIFICATES_MAX} certificates`);
  }
  return parseCertificate(leaf);
}

function readable(der: Uint8Array, faults: VerificationError[]): readonly SignedCertificate[] {
  try {
    return [parseCertificate(der)];
  } catch (thrown) {
    if (!(thrown instanceof VerificationError)) throw thrown;
    faults.push(thrown);
    return [];
  }
}

/** @param faults - takes the faults that kept a candidate from being a path. */
function searchPath(
  leaf: SignedCertificate,
  intermediates: readonly SignedCertificate[],
  { anchors, now, keyPurposes, intermediatesMax = CHAIN_CERTIFICATES_MAX }: PathOptions,
  faults: VerificationError[],
): CertificatePath | undefined {
  let checksLeft = SIGNATURE_CHECKS_MAX;

  function isSound(fault: Fault): boolean {
    if (fault !== undefined) faults.push(fault);
    return fault === undefined;
  }

  /** Whether `issuer` issued `certificate`, as far as these two tell. */
  function isIssuedBy(certificate: SignedCertificate, issuer: SignedCertificate): boolean {
    if (!isNamedIssuer(certificate, issuer) || checksLeft === 0) return false;
    if (!isSound(faultOf(issuer, now) ?? faultOfIssuer(issuer, keyPurposes))) return false;
    checksLeft -= 1;
    return isSound(faultOfSignature(certificate, issuer));
  }

  function extend(path: CertificatePath): CertificatePath | undefined {
    const last = path[path.length - 1] ?? leaf;
    for (const anchor of anchors) {
      if (!isIssuedBy(last, anchor)) continue;
      const whole = [...path, anchor];
      if (isSound(faultOfWhole(whole))) return whole;
    }
    for (const intermediate of intermediates) {
      const longer = [...path, intermediate];
      if (path.includes(intermediate) || intermediatesOf(longer).length > intermediatesMax) continue;
      // A root that was sent along leads nowhere and is no fault: it is among the anchors, or it is not trusted.
      if (intermediate.isSelfIssued && faultOfIssued(intermediate) !== undefined) continue;
      if (!isIssuedBy(last, intermediate) || !isSound(faultOfIssued(intermediate))) continue;
      const found = extend(longer);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  return extend([leaf]);
}

/** @see RFC 5280 sections 6.1.3 (a) (4), 4.2.1.1 and 4.2.1.2 */
function isNamedIssuer(certificate: SignedCertificate, issuer: SignedCertificate): boolean {
  const { authorityKeyIdentifier } = certificate.extensions;
  const { subjectKeyIdentifier } = issuer.extensions;
  if (Buffer.compare(certificate.issuer, issuer.subject) !== 0 || authorityKeyIdentifier === undefined) return false;
  // An issuer without a key identifier counts as the issuer here, so that this fault of it is reported.
  return subjectKeyIdentifier === undefined || Buffer.compare(authorityKeyIdentifier, subjectKeyIdentifier) === 0;
}

/** The certificates above the leaf that count against a path length. RFC 5280 section 4.2.1.9. */
function intermediatesOf(path: CertificatePath): readonly SignedCertificate[] {
  return path.slice(1).filter(({ isSelfIssued }) => !isSelfIssued);
}

/** The faults that only the whole path shows. RFC 5280 sections 6.1.3 (b) to (c) and 6.1.4 (l) to (m). */
function faultOfWhole(path: CertificatePath): Fault {
  for (const [index, issuer] of path.entries()) {
    if (index === 0) continue;
    const below = path.slice(0, index);
    const { basicConstraints, nameConstraints } = issuer.extensions;
    if (intermediatesOf(below).length > (basicConstraints?.pathLength ?? Number.POSITIVE_INFINITY)) {
      return certificateInvalid("no more authorities than the path length of each allows");
    }
    const names = below.flatMap(({ extensions }) => extensions.subjectAltName?.names ?? []);
    if (nameConstraints !== undefined && !isWithin(names, nameConstraints)) {
      return certificateInvalid("names within the name constraints of their issuers");
    }
  }
  return undefined;
}
