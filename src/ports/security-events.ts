import type { JsonObject } from "../domain/strict-json.ts";
import type { UnixSeconds } from "../domain/time.ts";

/** A security event token that its issuer signed for this broker. */
export type VerifiedEvent = {
  readonly kind: "verified";
  readonly issuer: string;
  readonly jti: string;
  readonly issuedAt: UnixSeconds;
  /** URI of the one event, and what it says. */
  readonly event: string;
  /** `sub_id`. */
  readonly subject: JsonObject;
};

/** Why a token is not taken, by the codes of RFC 8935 section 2.4. */
export type RefusedEvent = {
  readonly kind: "refused";
  readonly err: "invalid_request" | "invalid_key" | "invalid_issuer" | "invalid_audience";
  readonly description: string;
};

/** Judges security event tokens of the issuers that are configured. */
export type SecurityEvents = {
  /** @throws BrokerError NOT_SERVING when the issuer's keys can't be had now */
  verify(token: string): Promise<VerifiedEvent | RefusedEvent>;
};
