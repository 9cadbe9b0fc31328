import { readCertificate } from "./certificate.ts";
import {
  bitStringOf,
  contextConstructed,
  contextPrimitive,
  derOf,
  integerOf,
  NULL,
  oidOf,
  sequenceOf,
  stringOf,
  TAG,
  TRUE,
  timeOf,
} from "./der.ts";
import { DerError, parseDer } from "./der-reader.ts";
import { keyIdentifierOf } from "./public-key.ts";
import { type SpiffeId, type TrustDomain, trustDomainId } from "./spiffe-id.ts";
import type { UnixSeconds } from "./time.ts";
import { notAfterOf } from "./validity.ts";

/*
 * The X.509-SVID profile, whole: what a certificate of this broker says, and in which bytes. Nothing in it comes from
 * the requester but the key. Contracts section 2, X509-SVID sections 3 and 4, RFC 5280 section 4.
 */

const OID = {
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  ecdsaWithSha384: "1.2.840.10045.4.3.3",
  sha256WithRsaEncryption: "1.2.840.113549.1.1.11",
  commonName: "2.5.4.3",
  serialNumber: "2.5.4.5",
  organization: "2.5.4.10",
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;

const COMMON_NAME = "Stint CA";

/** X.520 allows an organization no more characters; the subject alternative name has the whole trust domain. */
const ORGANIZATION_LENGTH_MAX = 64;

/** KeyUsage bits, most significant first; DER drops the zero bits at the end, and the first byte counts them. */
const DIGITAL_SIGNATURE = Uint8Array.of(7, 0b1000_0000);
const KEY_CERT_SIGN_AND_CRL_SIGN = Uint8Array.of(1, 0b0000_0110);

export const VERSION_3 = derOf(contextConstructed(0), integerOf(Uint8Array.of(2)));
/** AlgorithmIdentifier: ECDSA has no parameters, not even NULL. */
export const ECDSA_WITH_SHA256 = sequenceOf(oidOf(OID.ecdsaWithSha256));
export const EMPTY_NAME = sequenceOf();

/** What a leaf takes over from its issuer. */
export type Issuer = { readonly name: Uint8Array; readonly keyIdentifier: Uint8Array };

/**
 * What a leaf takes over from its issuer, read from the issuer's certificate. The name is copied byte for byte, because
 * verifiers compare it so.
 *
 * @param certificate - the authority's, DER.
 * @throws DerError
 */
export function issuerOf(certificate: Uint8Array): Issuer {
  const { subject, extensions } = readCertificate(certificate);
  const keyIdentifier = extensions.get(OID.subjectKeyIdentifier);
  if (keyIdentifier === undefined) throw new DerError("no subject key identifier");
  return { name: subject, keyIdentifier: parseDer(keyIdentifier, TAG.octetString).content };
}

export type LeafFacts = {
  readonly serialNumber: Uint8Array;
  readonly notBefore: UnixSeconds;
  /** Exclusive. */
  readonly expiresAt: UnixSeconds;
  readonly spiffeId: SpiffeId;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
};

/**
 * The to-be-signed certificate of an X.509-SVID.
 *
 * @throws DerError when the key is not a SubjectPublicKeyInfo
 */
export function leafCertificate(issuer: Issuer, facts: LeafFacts): Uint8Array {
  return sequenceOf(
    VERSION_3,
    integerOf(facts.serialNumber),
    ECDSA_WITH_SHA256,
    issuer.name,
    validityOf(facts),
    EMPTY_NAME,
    facts.publicKey,
    derOf(
      contextConstructed(3),
      sequenceOf(
        ...LEAF_CONSTRAINTS,
        subjectKeyIdentifier(keyIdentifierOf(facts.publicKey)),
        authorityKeyIdentifier(issuer.keyIdentifier),
        sequenceOf(SUBJECT_ALT_NAME_CRITICAL, derOf(TAG.octetString, uriName(facts.spiffeId))),
      ),
    ),
  );
}

/** The extensions that are the same in every leaf: what its key may be used for, and that it is no authority. */
export const LEAF_CONSTRAINTS: readonly Uint8Array[] = [
  extension(OID.keyUsage, derOf(TAG.bitString, DIGITAL_SIGNATURE), "critical"),
  extension(OID.extKeyUsage, sequenceOf(oidOf(OID.serverAuth), oidOf(OID.clientAuth))),
  // `cA` is FALSE by default, and DER leaves defaults out.
  extension(OID.basicConstraints, sequenceOf(), "critical"),
];

/** The beginning of the extension that names the subject: critical, because a leaf has no other name. */
export const SUBJECT_ALT_NAME_CRITICAL = Buffer.concat([oidOf(OID.subjectAltName), TRUE]);

export type AuthorityFacts = {
  readonly trustDomain: TrustDomain;
  readonly serialNumber: Uint8Array;
  readonly notBefore: UnixSeconds;
  /** Exclusive. */
  readonly expiresAt: UnixSeconds;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  /** Another CA that issues the certificate; absent where the certificate is self-signed. */
  readonly upstream?: UpstreamIssuer;
};

/** A CA above ours, and the AlgorithmIdentifier by which that CA signs. */
export type UpstreamIssuer = Issuer & { readonly algorithm: Uint8Array };

/** AlgorithmIdentifiers that an upstream CA may sign by. ECDSA has no parameters, RSA has NULL. RFC 5758, RFC 4055. */
export const UPSTREAM_ALGORITHMS = {
  "P-256": ECDSA_WITH_SHA256,
  "P-384": sequenceOf(oidOf(OID.ecdsaWithSha384)),
  rsa: sequenceOf(oidOf(OID.sha256WithRsaEncryption), NULL),
} as const;

/**
 * The to-be-signed certificate of the trust domain's own signing authority, which issues no certificates but leaves.
 *
 * Its subject names the trust domain and the key, so that two generations of the authority never share a name, and each
 * CRL belongs to one generation.
 *
 * @throws DerError when the key is not a SubjectPublicKeyInfo
 */
export function authorityCertificate(facts: AuthorityFacts): Uint8Array {
  const keyIdentifier = keyIdentifierOf(facts.publicKey);
  const name = sequenceOf(
    attribute(OID.organization, stringOf(TAG.utf8String, facts.trustDomain.slice(0, ORGANIZATION_LENGTH_MAX))),
    attribute(OID.commonName, stringOf(TAG.utf8String, COMMON_NAME)),
    attribute(OID.serialNumber, stringOf(TAG.printableString, Buffer.from(keyIdentifier).toString("hex"))),
  );
  return sequenceOf(
    VERSION_3,
    integerOf(facts.serialNumber),
    facts.upstream?.algorithm ?? ECDSA_WITH_SHA256,
    facts.upstream?.name ?? name,
    validityOf(facts),
    name,
    facts.publicKey,
    derOf(
      contextConstructed(3),
      sequenceOf(
        extension(OID.keyUsage, derOf(TAG.bitString, KEY_CERT_SIGN_AND_CRL_SIGN), "critical"),
        extension(OID.basicConstraints, sequenceOf(TRUE, integerOf(Uint8Array.of(0))), "critical"),
        subjectKeyIdentifier(keyIdentifier),
        authorityKeyIdentifier(facts.upstream?.keyIdentifier ?? keyIdentifier),
        extension(OID.subjectAltName, uriName(trustDomainId(facts.trustDomain))),
      ),
    ),
  );
}

/** A certificate of its to-be-signed part and a signature, by default ECDSA with SHA-256, DER-encoded. */
export function signedCertificate(
  toBeSigned: Uint8Array,
  signature: Uint8Array,
  algorithm: Uint8Array = ECDSA_WITH_SHA256,
): Uint8Array {
  return sequenceOf(toBeSigned, algorithm, bitStringOf(signature));
}

export function validityOf(validity: { readonly notBefore: UnixSeconds; readonly expiresAt: UnixSeconds }): Uint8Array {
  return sequenceOf(timeOf(validity.notBefore), timeOf(notAfterOf(validity)));
}

export function authorityKeyIdentifier(keyIdentifier: Uint8Array): Uint8Array {
  return extension(OID.authorityKeyIdentifier, sequenceOf(derOf(contextPrimitive(0), keyIdentifier)));
}

export function subjectKeyIdentifier(keyIdentifier: Uint8Array): Uint8Array {
  return extension(OID.subjectKeyIdentifier, derOf(TAG.octetString, keyIdentifier));
}

/** GeneralNames with one uniformResourceIdentifier. */
function uriName(id: SpiffeId): Uint8Array {
  return sequenceOf(stringOf(contextPrimitive(6), id));
}

/** An Extension; `value` is its DER. */
export function extension(oid: string, value: Uint8Array, critical?: "critical"): Uint8Array {
  const mark = critical === undefined ? [] : [TRUE];
  return sequenceOf(oidOf(oid), ...mark, derOf(TAG.octetString, value));
}

function attribute(oid: string, value: Uint8Array): Uint8Array {
  return derOf(TAG.set, sequenceOf(oidOf(oid), value));
}
