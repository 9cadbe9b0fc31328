import { contextConstructed, contextPrimitive, TAG } from "./der.ts";
import {
  checkTrue,
  countOf,
  type DerElement,
  DerError,
  dottedOf,
  elementsOf,
  namedBitsOf,
  parseDer,
} from "./der-reader.ts";

/** An extension as it stands in a certificate; `value` is DER. */
export type Extension = { readonly critical: boolean; readonly value: Uint8Array };

/** Bits of KeyUsage. RFC 5280 section 4.2.1.3. */
export const KEY_USAGE = { digitalSignature: 0, keyCertSign: 5, cRLSign: 6 } as const;

/** KeyPurposeIds. RFC 5280 section 4.2.1.12. */
export const KEY_PURPOSE = { serverAuth: "1.3.6.1.5.5.7.3.1", clientAuth: "1.3.6.1.5.5.7.3.2" } as const;

/** One GeneralName: the number of its kind, and its content. */
export type GeneralName = { readonly kind: number; readonly content: Uint8Array };

/** The kinds of GeneralName that are texts. RFC 5280 section 4.2.1.6. */
const RFC822_NAME = 1;
const DNS_NAME = 2;
export const URI_NAME = 6;
const TEXT_KINDS: readonly number[] = [RFC822_NAME, DNS_NAME, URI_NAME];
/** otherName, x400Address, directoryName and ediPartyName have members; the other kinds have none. */
const CONSTRUCTED_KINDS: readonly number[] = [0, 3, 4, 5];
const KIND_MAX = 8;

/** Base names of subtrees: every name must be in a permitted one, and none in an excluded one. */
export type NameConstraints = { readonly permitted: readonly GeneralName[]; readonly excluded: readonly GeneralName[] };

/** The extensions that decide about a path; `undefined` where a certificate lacks the extension. */
export type CertificateExtensions = {
  readonly basicConstraints:
    | { readonly critical: boolean; readonly isAuthority: boolean; readonly pathLength: number | undefined }
    | undefined;
  /** Numbers of the bits that are set. */
  readonly keyUsage: { readonly critical: boolean; readonly bits: ReadonlySet<number> } | undefined;
  /** Dotted. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  readonly subjectAltName: { readonly critical: boolean; readonly names: readonly GeneralName[] } | undefined;
  readonly nameConstraints: (NameConstraints & { readonly critical: boolean }) | undefined;
  readonly subjectKeyIdentifier: Uint8Array | undefined;
  /** The key identifier in the extension; an extension that identifies the key in another way counts as absent. */
  readonly authorityKeyIdentifier: Uint8Array | undefined;
  /** Dotted OIDs of critical extensions that are not read here or must not be critical, and of `NEVER_PASSED_OVER`. */
  readonly unprocessed: readonly string[];
};

const OID = {
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  nameConstraints: "2.5.29.30",
  authorityKeyIdentifier: "2.5.29.35",
  policyConstraints: "2.5.29.36",
  extKeyUsage: "2.5.29.37",
  inhibitAnyPolicy: "2.5.29.54",
} as const;

/** No other extension read here is critical in a conforming certificate: a critical one means something else. */
const MAY_BE_CRITICAL: readonly string[] = [
  OID.keyUsage,
  OID.subjectAltName,
  OID.basicConstraints,
  OID.nameConstraints,
  OID.extKeyUsage,
];
/** Always critical in a conforming certificate. Policies are not processed, so a certificate with these is refused. */
const NEVER_PASSED_OVER: readonly string[] = [OID.policyConstraints, OID.inhibitAnyPolicy];

/**
 * Reads the extensions that decide about a path.
 *
 * @throws DerError
 * @see RFC 5280 section 4.2
 */
export function readExtensions(extensions: ReadonlyMap<string, Extension>): CertificateExtensions {
  function read<Value>(oid: string, of: (value: Uint8Array, critical: boolean) => Value): Value | undefined {
    const extension = extensions.get(oid);
    return extension === undefined ? undefined : of(extension.value, extension.critical);
  }
  return {
    basicConstraints: read(OID.basicConstraints, (value, critical) => ({ critical, ...basicConstraintsOf(value) })),
    keyUsage: read(OID.keyUsage, (value, critical) => ({ critical, bits: keyUsageOf(value) })),
    extendedKeyUsage: read(OID.extKeyUsage, (value) => atLeastOne(elementsIn(value)).map(dottedOf)),
    subjectAltName: read(OID.subjectAltName, (value, critical) => ({
      critical,
      names: atLeastOne(elementsIn(value)).map(generalNameOf),
    })),
    nameConstraints: read(OID.nameConstraints, (value, critical) => ({ critical, ...nameConstraintsOf(value) })),
    subjectKeyIdentifier: read(OID.subjectKeyIdentifier, (value) => parseDer(value, TAG.octetString).content),
    authorityKeyIdentifier: read(OID.authorityKeyIdentifier, authorityKeyOf),
    unprocessed: [...extensions]
      .filter(([oid, { critical }]) => (critical && !MAY_BE_CRITICAL.includes(oid)) || NEVER_PASSED_OVER.includes(oid))
      .map(([oid]) => oid),
  };
}

function elementsIn(value: Uint8Array): readonly DerElement[] {
  return elementsOf(parseDer(value, TAG.sequence));
}

function atLeastOne(elements: readonly DerElement[]): readonly DerElement[] {
  if (elements.length === 0) throw new DerError("an empty list");
  return elements;
}

function basicConstraintsOf(value: Uint8Array) {
  const members = [...elementsIn(value)];
  const isAuthority = members[0]?.tag === TAG.boolean;
  const flag = isAuthority ? members.shift() : undefined;
  if (flag !== undefined) checkTrue(flag);
  const [pathLength, ...more] = members;
  if (more.length > 0) throw new DerError("not basic constraints");
  return { isAuthority, pathLength: pathLength === undefined ? undefined : countOf(pathLength) };
}

function keyUsageOf(value: Uint8Array): ReadonlySet<number> {
  const bits = namedBitsOf(parseDer(value, TAG.bitString));
  if (bits.size === 0) throw new DerError("a key usage that is none");
  return bits;
}

function generalNameOf({ tag, content }: DerElement): GeneralName {
  const kind = tag & 0x1f;
  const expected = CONSTRUCTED_KINDS.includes(kind) ? contextConstructed(kind) : contextPrimitive(kind);
  if (tag !== expected || kind > KIND_MAX) throw new DerError("not a general name");
  if (TEXT_KINDS.includes(kind) && content.some((octet) => octet >= 0x80)) throw new DerError("a name beyond ASCII");
  return { kind, content };
}

/** @see RFC 5280 section 4.2.1.10 */
function nameConstraintsOf(value: Uint8Array): NameConstraints {
  const members = [...atLeastOne(elementsIn(value))];
  const subtrees = (number: number): readonly GeneralName[] =>
    members[0]?.tag === contextConstructed(number)
      ? members.splice(0, 1).flatMap((list) => atLeastOne(elementsOf(list)).map(baseOf))
      : [];
  const constraints = { permitted: subtrees(0), excluded: subtrees(1) };
  if (members.length > 0) throw new DerError("not name constraints");
  return constraints;
}

/** A GeneralSubtree without distances: `minimum` is 0 by default, and nothing else is allowed. */
function baseOf(subtree: DerElement): GeneralName {
  const [base, ...distances] = elementsOf(subtree);
  if (base === undefined || distances.length > 0) throw new DerError("a subtree with distances");
  return generalNameOf(base);
}

/** @see RFC 5280 section 4.2.1.1 */
function authorityKeyOf(value: Uint8Array): Uint8Array | undefined {
  const members = elementsIn(value);
  const [first] = members;
  const tags = [contextPrimitive(0), contextConstructed(1), contextPrimitive(2)];
  const positions = members.map(({ tag }) => tags.indexOf(tag));
  if (positions.some((position, index) => position < 0 || position <= (positions[index - 1] ?? -1))) {
    throw new DerError("not an authority key identifier");
  }
  return first?.tag === contextPrimitive(0) ? first.content : undefined;
}
