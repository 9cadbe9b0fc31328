import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
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
} from "../../src/domain/der.ts";
import { keyIdentifierOf } from "../../src/domain/public-key.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import { addSeconds, type UnixSeconds } from "../../src/domain/time.ts";
import { type X509Bundle, type X509BundleSet, x509AuthoritiesOf } from "../../src/verify/x509-svid.ts";
import { NOW, SUBJECT } from "./token-forge.ts";

// Makes certificates as an authority would, and as none should. Shares with the code that mints the writer of DER alone.

export type KeyPair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
export type Forged = KeyPair & {
  readonly der: Uint8Array;
  readonly name: Uint8Array;
  readonly keyIdentifier: Uint8Array;
};

export const ecPair = (namedCurve = "P-256"): KeyPair => generateKeyPairSync("ec", { namedCurve });
export const rsaPair = (modulusLength = 2_048): KeyPair => generateKeyPairSync("rsa", { modulusLength });

export const ALGORITHM = {
  ecdsaSha1: sequenceOf(oidOf("1.2.840.10045.4.1")),
  ecdsaSha256: sequenceOf(oidOf("1.2.840.10045.4.3.2")),
  ecdsaSha384: sequenceOf(oidOf("1.2.840.10045.4.3.3")),
  rsaSha1: sequenceOf(oidOf("1.2.840.113549.1.1.5"), NULL),
  rsaSha256: sequenceOf(oidOf("1.2.840.113549.1.1.11"), NULL),
};

/** KeyUsage as DER has it: how many bits are unused, and the others. */
export const USAGE = {
  digitalSignature: [7, 0b1000_0000],
  certSign: [2, 0b0000_0100],
  certAndCrlSign: [1, 0b0000_0110],
  signatureAndCertSign: [2, 0b1000_0100],
  signatureAndCrlSign: [1, 0b1000_0010],
  signatureAndKeyAgreement: [3, 0b1000_1000],
  keyEncipherment: [5, 0b0010_0000],
} as const;

export const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
export const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

export function extension(oid: string, value: Uint8Array, critical = false): Uint8Array {
  return sequenceOf(oidOf(oid), ...(critical ? [TRUE] : []), derOf(TAG.octetString, value));
}

export const keyUsage = (usage: readonly number[], critical = true): Uint8Array =>
  extension("2.5.29.15", derOf(TAG.bitString, Uint8Array.from(usage)), critical);

export const basicConstraints = (isAuthority: boolean, pathLength?: number, critical = true): Uint8Array =>
  extension(
    "2.5.29.19",
    sequenceOf(
      ...(isAuthority ? [TRUE] : []),
      ...(pathLength === undefined ? [] : [integerOf(Uint8Array.of(pathLength))]),
    ),
    critical,
  );

export const extendedKeyUsage = (...purposes: readonly string[]): Uint8Array =>
  extension("2.5.29.37", sequenceOf(...purposes.map(oidOf)));

export const uri = (text: string): Uint8Array => stringOf(contextPrimitive(6), text);
export const dns = (text: string): Uint8Array => stringOf(contextPrimitive(2), text);

export const altNames = (names: readonly Uint8Array[], critical = true): Uint8Array =>
  extension("2.5.29.17", sequenceOf(...names), critical);

/** Bases are GeneralNames. */
export function nameConstraints(
  { permitted = [], excluded = [] }: { permitted?: readonly Uint8Array[]; excluded?: readonly Uint8Array[] },
  critical = true,
): Uint8Array {
  const list = (number: number, bases: readonly Uint8Array[]) =>
    bases.length === 0 ? [] : [derOf(contextConstructed(number), ...bases.map((base) => sequenceOf(base)))];
  return extension("2.5.29.30", sequenceOf(...list(0, permitted), ...list(1, excluded)), critical);
}

export const subjectKey = (identifier: Uint8Array, critical = false): Uint8Array =>
  extension("2.5.29.14", derOf(TAG.octetString, identifier), critical);

export const authorityKey = (identifier: Uint8Array, critical = false): Uint8Array =>
  extension("2.5.29.35", sequenceOf(derOf(contextPrimitive(0), identifier)), critical);

export function nameOf(commonName: string): Uint8Array {
  return sequenceOf(derOf(TAG.set, sequenceOf(oidOf("2.5.4.3"), stringOf(TAG.utf8String, commonName))));
}

export const NO_NAME = sequenceOf();

/** What of a certificate differs from the ordinary; of extensions each replaces the ordinary one, `undefined` leaves it out. */
export type Changes = {
  /** One less than it is called. */
  readonly version?: number;
  readonly pair?: KeyPair;
  readonly subject?: Uint8Array;
  readonly issuer?: Uint8Array;
  /** The big-endian bytes. */
  readonly serialNumber?: Uint8Array;
  readonly notBefore?: UnixSeconds;
  /** As the certificate has it. */
  readonly notAfter?: UnixSeconds;
  /** The two times, DER. */
  readonly validity?: Uint8Array;
  /** SubjectPublicKeyInfo. */
  readonly publicKey?: Uint8Array;
  readonly extensions?: Readonly<Record<string, Uint8Array | undefined>>;
  readonly hash?: string;
  readonly algorithm?: Uint8Array;
  readonly outerAlgorithm?: Uint8Array;
  readonly signer?: KeyPair;
};

function forge(
  changes: Changes,
  issuer: Pick<Forged, "name" | "keyIdentifier"> & KeyPair,
  pair: KeyPair,
  subject: Uint8Array,
  ordinary: Readonly<Record<string, Uint8Array | undefined>>,
): Forged {
  const spki = changes.publicKey ?? pair.publicKey.export({ type: "spki", format: "der" });
  const keyIdentifier = keyIdentifierOf(pair.publicKey.export({ type: "spki", format: "der" }));
  const { notBefore = addSeconds(NOW, -60), notAfter = addSeconds(NOW, 3_600) } = changes;
  const all = {
    ski: subjectKey(keyIdentifier),
    aki: authorityKey(issuer.keyIdentifier),
    ...ordinary,
    ...changes.extensions,
  };
  const extensions = Object.values(all).filter((one) => one !== undefined);
  const signer = changes.signer ?? issuer;
  const kind = signer.privateKey.asymmetricKeyType;
  const isRsa = kind === "rsa";
  const algorithm = changes.algorithm ?? (isRsa ? ALGORITHM.rsaSha256 : ALGORITHM.ecdsaSha256);
  const signedPart = sequenceOf(
    derOf(contextConstructed(0), integerOf(Uint8Array.of(changes.version ?? 2))),
    integerOf(changes.serialNumber ?? Uint8Array.from([0x7f, ...randomBytes(15)])),
    algorithm,
    changes.issuer ?? issuer.name,
    changes.validity ?? sequenceOf(timeOf(notBefore), timeOf(notAfter)),
    subject,
    spki,
    ...(extensions.length === 0 ? [] : [derOf(contextConstructed(3), sequenceOf(...extensions))]),
  );
  const signature = sign(kind === "ed25519" ? undefined : (changes.hash ?? "sha256"), signedPart, signer.privateKey);
  const der = sequenceOf(signedPart, changes.outerAlgorithm ?? algorithm, bitStringOf(signature));
  return { ...pair, der, name: subject, keyIdentifier };
}

let authorities = 0;

/** A self-signed authority, or with an issuer one between it and others. */
export function authority(changes: Changes = {}, issuer?: Forged): Forged {
  authorities += 1;
  const pair = changes.pair ?? ecPair();
  const subject = changes.subject ?? nameOf(`authority ${authorities}`);
  const keyIdentifier = keyIdentifierOf(pair.publicKey.export({ type: "spki", format: "der" }));
  return forge(changes, issuer ?? { ...pair, name: subject, keyIdentifier }, pair, subject, {
    bc: basicConstraints(true),
    ku: keyUsage(USAGE.certAndCrlSign),
  });
}

/** The X.509-SVID of `SUBJECT`. */
export function leafOf(issuer: Forged, changes: Changes = {}): Forged {
  return forge(changes, issuer, changes.pair ?? ecPair(), changes.subject ?? NO_NAME, {
    ku: keyUsage(USAGE.digitalSignature),
    eku: extendedKeyUsage(SERVER_AUTH, CLIENT_AUTH),
    bc: basicConstraints(false),
    san: altNames([uri(SUBJECT)]),
  });
}

/** Bundles of these authorities, by trust domain. */
export function x509Bundles(
  authoritiesOf: Readonly<Record<string, readonly Forged[]>>,
  more: Partial<X509Bundle> = {},
): X509BundleSet {
  return new Map(
    Object.entries(authoritiesOf).map(([name, list]) => {
      const trustDomain = parseTrustDomain(name);
      return [trustDomain, { trustDomain, authorities: x509AuthoritiesOf(list.map(({ der }) => der)), ...more }];
    }),
  );
}

/** The document by which these authorities reach a verifier. */
export function x509BundleDocument(...list: readonly Forged[]): string {
  const keys = list.map(({ der, publicKey }) => ({
    use: "x509-svid",
    ...publicKey.export({ format: "jwk" }),
    x5c: [Buffer.from(der).toString("base64")],
  }));
  return JSON.stringify({ keys, spiffe_sequence: 1, spiffe_refresh_hint: 300 });
}

export function pemOf(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
