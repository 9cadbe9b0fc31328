import { hash } from "node:crypto";
import { KEY_PURPOSE, KEY_USAGE, URI_NAME } from "../domain/certificate-extensions.ts";
import { DerError } from "../domain/der-reader.ts";
import { readSignedCertificate, type SignedCertificate } from "../domain/signed-certificate.ts";
import {
  isSpiffeId,
  pathOf,
  type SpiffeId,
  type StepName,
  stepNameOf,
  type TrustDomain,
  trustDomainOf,
} from "../domain/spiffe-id.ts";
import type { UnixSeconds } from "../domain/time.ts";
import { parseLeaf, verifyCertificatePath } from "./certificate-path.ts";
import { certificateInvalid } from "./path-certificate.ts";
import { VerificationError } from "./verification-error.ts";

/** What verifies the X.509-SVIDs of one trust domain. */
export type X509Bundle = {
  readonly trustDomain: TrustDomain;
  /** Empty: nothing of this trust domain is to be believed. */
  readonly authorities: readonly SignedCertificate[];
  /** The trust domain of a throw-away broker, whose keys anybody may have made. */
  readonly development?: boolean;
};

/** Bundles by their trust domain; an SVID is verified by the bundle of its own trust domain and by no other. */
export type X509BundleSet = ReadonlyMap<TrustDomain, X509Bundle>;

export type X509SvidOptions = {
  readonly bundles: X509BundleSet;
  /** The verifier's clock, rounded down. */
  readonly now: UnixSeconds;
  /** Accepts trust domains that are for development only. Default: false. */
  readonly development?: boolean;
};

/** An X.509-SVID that an authority of its trust domain issued, within its time. Revocation is not looked at here. */
export type VerifiedX509Svid = {
  readonly spiffeId: SpiffeId;
  readonly trustDomain: TrustDomain;
  /** Present when the SPIFFE ID is a step's. */
  readonly step?: StepName & { readonly agent: SpiffeId };
  /** Lower-case hexadecimal without leading zero bytes, as the ledger and the feed have it. */
  readonly serialNumber: string;
  /** Name of the issuer, DER, as the feed has it. */
  readonly issuerName: Uint8Array;
  readonly notBefore: UnixSeconds;
  /** Exclusive: one second after `notAfter`. */
  readonly expiresAt: UnixSeconds;
  /** SHA-256 of the certificate, base64url: what `cnf.x5t#S256` is in a token that is bound to the certificate. */
  readonly thumbprintSha256: string;
};

/**
 * Reads the CA certificates of a bundle, once for all the SVIDs that they will verify. A certificate that is malformed
 * is left out: only SVIDs that its authority issued are then refused.
 *
 * Never throws.
 */
export function x509AuthoritiesOf(certificates: readonly Uint8Array[]): readonly SignedCertificate[] {
  return certificates.flatMap((der) => {
    try {
      return [readSignedCertificate(der)];
    } catch (thrown) {
      if (thrown instanceof DerError) return [];
      throw thrown;
    }
  });
}

/**
 * Verifies a presented X.509-SVID against bundles: no network, no state. The presenter has to prove possession of the
 * SVID's key besides, as in a TLS handshake.
 *
 * @param chain - DER; the leaf first, then the authorities between it and the bundle, in any order.
 * @throws VerificationError with one of its codes; never anything else
 * @see X509-SVID sections 2 to 5, RFC 5280 section 6.1
 */
export function verifyX509Svid(chain: readonly Uint8Array[], options: X509SvidOptions): VerifiedX509Svid {
  const leaf = parseLeaf(chain);
  const spiffeId = spiffeIdOf(leaf);
  const trustDomain = trustDomainOf(spiffeId);
  const [, ...authorities] = verifyCertificatePath(chain, {
    // Only authorities of the trust domain that the leaf claims may have issued it: none signs for another's names.
    anchors: authoritiesOf(trustDomain, options),
    now: options.now,
    keyPurposes: [KEY_PURPOSE.serverAuth, KEY_PURPOSE.clientAuth],
  });
  checkKeyUsage(leaf);
  authorities.forEach(checkSigningId);
  const step = stepNameOf(spiffeId);
  return {
    spiffeId,
    trustDomain,
    ...(step === undefined ? {} : { step }),
    serialNumber: leaf.serialNumber,
    issuerName: leaf.issuer,
    notBefore: leaf.notBefore,
    expiresAt: leaf.expiresAt,
    thumbprintSha256: hash("sha256", leaf.encoded, "base64url"),
  };
}

function authoritiesOf(trustDomain: TrustDomain, { bundles, development }: X509SvidOptions) {
  const bundle = bundles.get(trustDomain);
  if (bundle === undefined) {
    throw new VerificationError("KEY_UNKNOWN", "the subject is of a trust domain that is not known here");
  }
  if (bundle.development === true && development !== true) {
    throw new VerificationError("KEY_UNKNOWN", "the subject is of a trust domain that is for development only");
  }
  return bundle.authorities;
}

/** @see X509-SVID sections 2, 3.1 and 5.2 */
function spiffeIdOf(leaf: SignedCertificate): SpiffeId {
  const [uri, ...others] = urisOf(leaf);
  if (uri === undefined || others.length > 0) {
    throw new VerificationError("SUBJECT_INVALID", "the certificate has not exactly one URI among its names");
  }
  if (isSpiffeId(uri) && pathOf(uri) !== "") return uri;
  throw new VerificationError("SUBJECT_INVALID", "the subject is not a SPIFFE ID with a path");
}

/** The URIs among the alternative names of a certificate, as they are written. */
export function urisOf({ extensions }: SignedCertificate): readonly string[] {
  const names = extensions.subjectAltName?.names ?? [];
  return names.filter(({ kind }) => kind === URI_NAME).map(({ content }) => Buffer.from(content).toString("latin1"));
}

/** @see X509-SVID section 4.3; `verifyCertificatePath` checks that a leaf's key signs no certificates */
function checkKeyUsage({ extensions }: SignedCertificate): void {
  const { keyUsage } = extensions;
  if (keyUsage?.critical !== true || !keyUsage.bits.has(KEY_USAGE.digitalSignature)) {
    throw certificateInvalid("a critical key usage of digitalSignature");
  }
  if (keyUsage.bits.has(KEY_USAGE.cRLSign)) throw certificateInvalid("a leaf that signs no CRLs");
}

/** A signing certificate of any trust domain names no workload, so it can't pass for one. X509-SVID section 3.2. */
function checkSigningId(authority: SignedCertificate): void {
  const spiffeIds = urisOf(authority).filter((uri) => /^spiffe:/i.test(uri));
  const isNameless = spiffeIds.every((uri) => isSpiffeId(uri) && pathOf(uri) === "");
  if (!isNameless || spiffeIds.length > 1) throw certificateInvalid("authorities whose SPIFFE ID has no path");
}
