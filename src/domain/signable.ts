import type { Authority, KeyFamily } from "./authority.ts";
import { readCertificate } from "./certificate.ts";
import { type CrlFacts, certificateList } from "./crl.ts";
import { sha256Hex } from "./digest.ts";
import { BrokerError } from "./errors.ts";
import { authorityIdOf } from "./public-key.ts";
import type { RecordedDraft } from "./stages.ts";
import { issuerOf } from "./x509-profile.ts";

/** A key as its keeper knows it. */
export type KeyName = { readonly authorityId: string; readonly family: KeyFamily };

/**
 * The last check before a signature: the bytes are the ones whose digest is in the row, and the key is of the row's
 * authority and family. Only a defect elsewhere makes this check fail, and then nothing is signed.
 *
 * @param authorityId - of the key that is about to sign, as are the other members.
 * @throws BrokerError AUTHORITY_UNAVAILABLE
 */
export function checkSignable({ record, toBeSigned }: RecordedDraft, { authorityId, family }: KeyName): void {
  if (record.authorityId !== authorityId) throw unsigned("recorded for another authority");
  if (record.kind !== family) throw unsigned(`a ${record.kind} was to be signed by a key for ${family}`);
  if (sha256Hex(toBeSigned) !== record.toBeSignedSha256) throw unsigned("not the bytes that were recorded");
}

/**
 * The bytes of a CRL, made here from the CRL's facts: a signer that signs only what this function returns can't be
 * handed a certificate or a token in a CRL's place.
 *
 * @param family - of the key that is about to sign, as its keeper knows it.
 * @throws BrokerError AUTHORITY_UNAVAILABLE
 */
export function signableCrl(authority: Authority, family: KeyFamily, facts: CrlFacts): Uint8Array {
  const { certificate, authorityId } = authority;
  if (family !== "x509-svid") throw unsigned(`a CRL was to be signed by a key for ${family}`);
  if (certificate === undefined) throw unsigned("a CRL was to be signed by an authority without a certificate");
  const isOwn = authorityIdOf(readCertificate(certificate).publicKey) === authorityId;
  if (!isOwn) throw unsigned("a CRL was to be signed in another authority's name");
  return certificateList(issuerOf(certificate), facts);
}

/** What a signer throws when it definitely made no signature. */
export function unsigned(detail: string, cause?: unknown): BrokerError {
  return new BrokerError("AUTHORITY_UNAVAILABLE", "the signing authority is not available", { detail, cause });
}
