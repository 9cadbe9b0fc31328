import { bitStringOf, contextConstructed, derOf, integerOf, sequenceOf, TAG, timeOf } from "./der.ts";
import type { RevocationReason } from "./revocation.ts";
import type { UnixSeconds } from "./time.ts";
import { authorityKeyIdentifier, ECDSA_WITH_SHA256, extension, type Issuer } from "./x509-profile.ts";

/*
 * The profile of certificate revocation lists: version 2, complete, direct, one for each key of the trust domain's CA.
 * Contracts section 2, RFC 5280 section 5.
 */

/** One certificate on a CRL. */
export type CrlEntry = {
  /** Lower-case hexadecimal without leading zero bytes. */
  readonly serialNumber: string;
  readonly revokedAt: UnixSeconds;
  readonly reason: RevocationReason;
};

export type CrlFacts = {
  readonly thisUpdate: UnixSeconds;
  readonly nextUpdate: UnixSeconds;
  /** Larger than the number of every earlier CRL of this issuer; at most 20 octets. */
  readonly crlNumber: bigint;
  /** No serial number twice. */
  readonly entries: readonly EncodedCrlEntry[];
};

declare const encoded: unique symbol;

/** An entry in DER. Encoding ten thousand entries takes a while, so they can be encoded a few at a time. */
export type EncodedCrlEntry = Uint8Array & { readonly [encoded]: "CRL entry" };

const OID = { crlNumber: "2.5.29.20", reasonCode: "2.5.29.21" } as const;
const VERSION_2 = integerOf(Uint8Array.of(1));
/** RFC 5280 section 5.2.3. */
const CRL_NUMBER_BYTES_MAX = 20;

/** CRLReason, RFC 5280 section 5.3.1. 6 (on hold) and 8 (removed) are for revocations that end, and none ends here. */
const REASON_CODE = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  privilegeWithdrawn: 9,
} as const satisfies Record<RevocationReason, number>;

/** The extensions of an entry by its reason, made once. The reason `unspecified` has no extension. */
const ENTRY_EXTENSIONS = Object.fromEntries(
  Object.entries(REASON_CODE).map(([reason, code]) => [
    reason,
    code === 0 ? new Uint8Array() : sequenceOf(extension(OID.reasonCode, derOf(TAG.enumerated, Uint8Array.of(code)))),
  ]),
) as Readonly<Record<RevocationReason, Uint8Array>>;

/**
 * The to-be-signed part of a CRL (TBSCertList). A CRL begins with its version where a certificate has a tag of another
 * class, so that the signature of a CRL can't pass for that of a certificate, nor the reverse.
 *
 * @param issuer - taken from the CA's own certificate, so that the CRL's issuer is the certificate's subject byte for
 *   byte.
 * @see RFC 5280 section 5.1.2
 */
export function certificateList(issuer: Issuer, facts: CrlFacts): Uint8Array {
  const { thisUpdate, nextUpdate, crlNumber, entries } = facts;
  if (!(thisUpdate < nextUpdate)) throw new TypeError("a CRL that is over before it begins");
  // An empty list is left out; some verifiers refuse a CRL with a list that holds nothing.
  const revoked = entries.length === 0 ? [] : [derOf(TAG.sequence, Buffer.concat(entries))];
  return sequenceOf(
    VERSION_2,
    ECDSA_WITH_SHA256,
    issuer.name,
    timeOf(thisUpdate),
    timeOf(nextUpdate),
    ...revoked,
    derOf(
      contextConstructed(0),
      sequenceOf(authorityKeyIdentifier(issuer.keyIdentifier), extension(OID.crlNumber, integerOf(bytesOf(crlNumber)))),
    ),
  );
}

/** @see RFC 5280 section 5.3 */
export function encodeCrlEntry({ serialNumber, revokedAt, reason }: CrlEntry): EncodedCrlEntry {
  return sequenceOf(
    integerOf(Buffer.from(serialNumber, "hex")),
    timeOf(revokedAt),
    ENTRY_EXTENSIONS[reason],
  ) as EncodedCrlEntry;
}

function bytesOf(number: bigint): Uint8Array {
  // One bit is for the sign.
  const fits = number >= 0n && number < 1n << BigInt(8 * CRL_NUMBER_BYTES_MAX - 1);
  if (!fits) throw new TypeError("a CRL number that is negative or takes more than 20 octets");
  const digits = number.toString(16);
  return Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex");
}

/** A CRL of its to-be-signed part and an ECDSA signature with SHA-256, DER-encoded. */
export function signedCrl(toBeSigned: Uint8Array, signature: Uint8Array): Uint8Array {
  return sequenceOf(toBeSigned, ECDSA_WITH_SHA256, bitStringOf(signature));
}
