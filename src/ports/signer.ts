import type { Authority, KeyFamily } from "../domain/authority.ts";
import type { CrlFacts } from "../domain/crl.ts";
import type { FeedMessageFacts } from "../domain/feed-message.ts";
import type { SecurityEventFacts } from "../domain/security-event.ts";
import type { Recorded } from "../domain/stages.ts";
import type { StatusListFacts } from "../domain/status-list.ts";
import type { UnixSeconds } from "../domain/time.ts";

/**
 * Keeps the private keys. A key never leaves the signer, and a credential is signed only from its durable row:
 * `signSvid` takes nothing but a `Recorded`.
 */
export type Signer = {
  /**
   * Makes a key and its authority, in state `active`: for `x509-svid` a self-signed CA certificate of the trust domain.
   * Returns only once the key is where it survives a crash.
   */
  create(
    family: KeyFamily,
    validity: { readonly notBefore: UnixSeconds; readonly expiresAt: UnixSeconds },
  ): Promise<Authority>;
  /** Whether the key of this authority is at hand. */
  holds(authorityId: string): boolean;
  /** The ids of all keys of a family that are at hand. */
  held(family: KeyFamily): readonly string[];
  /**
   * Signs with the key of `recorded.authority`: ECDSA P-256 with SHA-256, DER-encoded.
   *
   * @throws BrokerError AUTHORITY_UNAVAILABLE when it definitely made no signature
   */
  signSvid(recorded: Recorded): Promise<Uint8Array>;
  /**
   * Makes and signs a CRL of this X.509 authority: ECDSA P-256 with SHA-256. The method takes the CRL's facts and never
   * bytes, so that it can't be used to sign anything else with a CA key.
   *
   * @returns the CRL, DER.
   * @throws BrokerError AUTHORITY_UNAVAILABLE when it definitely made no signature
   * @see RFC 5280 section 5
   */
  signCrl(authority: Authority, facts: CrlFacts): Promise<Uint8Array>;
  /**
   * Makes and signs a status list token by a key for events: ES256. The method takes what the token says and never bytes.
   *
   * @returns the compact serialization.
   * @throws BrokerError AUTHORITY_UNAVAILABLE when it definitely made no signature
   * @see draft-ietf-oauth-status-list section 5.1
   */
  signStatusList(authorityId: string, facts: StatusListFacts): Promise<string>;
  /**
   * Makes and signs a security event token by a key for events, as `signStatusList` does.
   *
   * @throws BrokerError AUTHORITY_UNAVAILABLE when it definitely made no signature
   * @see RFC 8417
   */
  signSecurityEvent(authorityId: string, facts: SecurityEventFacts): Promise<string>;
  /**
   * Makes and signs a message of the feed on a bus by a key for events, as `signStatusList` does.
   *
   * @throws BrokerError AUTHORITY_UNAVAILABLE when it definitely made no signature
   */
  signFeedMessage(authorityId: string, facts: FeedMessageFacts): Promise<string>;
  /** Destroys a key for good. */
  destroy(authorityId: string): Promise<void>;
};
