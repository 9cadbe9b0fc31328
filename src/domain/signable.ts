import type { Authority, KeyFamily } from "./authority.ts";
import { base64urlOf } from "./base64url.ts";
import { readCertificate } from "./certificate.ts";
import { type CrlFacts, certificateList } from "./crl.ts";
import { sha256Hex } from "./digest.ts";
import { p1363FromDer } from "./ecdsa-signature.ts";
import { BrokerError } from "./errors.ts";
import { FEED_MESSAGE_TYPE, type FeedMessageFacts, feedMessageClaims } from "./feed-message.ts";
import { authorityIdOf } from "./public-key.ts";
import { type SecurityEventFacts, securityEventClaims } from "./security-event.ts";
import type { RecordedDraft } from "./stages.ts";
import { type StatusListFacts, statusListClaims } from "./status-list.ts";
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

/**
 * The bytes of a status list token, made here from what it is to say. Its `typ` is in the header that is signed, so that it
 * can't pass for a token of another kind, nor another for it.
 *
 * @param key - that is about to sign, as its keeper knows it.
 * @returns the JWS signing input, ASCII.
 * @throws BrokerError AUTHORITY_UNAVAILABLE
 * @see draft-ietf-oauth-status-list section 5.1, RFC 7515 section 7.1
 */
export function signableStatusList(key: KeyName, facts: StatusListFacts): Uint8Array {
  return signableEventToken(key, "statuslist+jwt", statusListClaims(facts));
}

/**
 * The bytes of a security event token, as `signableStatusList` makes those of a list.
 *
 * @throws BrokerError AUTHORITY_UNAVAILABLE
 * @see RFC 8417 section 2.3
 */
export function signableSecurityEvent(key: KeyName, facts: SecurityEventFacts): Uint8Array {
  return signableEventToken(key, "secevent+jwt", securityEventClaims(facts));
}

/**
 * The bytes of a message of the feed on a bus, as `signableStatusList` makes those of a list.
 *
 * @throws BrokerError AUTHORITY_UNAVAILABLE
 */
export function signableFeedMessage(key: KeyName, facts: FeedMessageFacts): Uint8Array {
  return signableEventToken(key, FEED_MESSAGE_TYPE, feedMessageClaims(facts));
}

function signableEventToken({ authorityId, family }: KeyName, typ: string, claims: object): Uint8Array {
  if (family !== "events") throw unsigned(`a ${typ} was to be signed by a key for ${family}`);
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
  return Buffer.from(`${encode({ alg: "ES256", kid: authorityId, typ })}.${encode(claims)}`, "latin1");
}

/** A token of its signing input and its signature, ECDSA in DER: the compact serialization. */
export function signedEventToken(toBeSigned: Uint8Array, signature: Uint8Array): string {
  return `${Buffer.from(toBeSigned).toString("latin1")}.${base64urlOf(p1363FromDer(signature))}`;
}

/** What a signer throws when it definitely made no signature. */
export function unsigned(detail: string, cause?: unknown): BrokerError {
  return new BrokerError("AUTHORITY_UNAVAILABLE", "the signing authority is not available", { detail, cause });
}
