import { LIMITS } from "./limits.ts";
import { addSeconds, type UnixSeconds } from "./time.ts";

/** The names of RFC 5280 section 5.3.1 that fit here. */
export const REVOCATION_REASONS = [
  "unspecified",
  "keyCompromise",
  "cACompromise",
  "affiliationChanged",
  "superseded",
  "cessationOfOperation",
  "privilegeWithdrawn",
] as const;
export type RevocationReason = (typeof REVOCATION_REASONS)[number];

export function isRevocationReason(text: string): text is RevocationReason {
  return (REVOCATION_REASONS as readonly string[]).includes(text);
}

/**
 * How long after its expiry a credential may be accepted: the leeway, and the largest clock error still believed. If a
 * denial were forgotten any earlier, a revoked token would come back to life at a verifier whose clock is behind.
 */
export const DENIED_AFTER_EXPIRY_SECONDS = LIMITS.verifierLeewaySeconds + LIMITS.clockSkewSecondsMax;

/**
 * When a denial may be forgotten by whoever holds it: from this instant on nobody accepts what it denies.
 *
 * @param latestExpiry - the latest among the credentials that are denied.
 */
export function forgetAfter(latestExpiry: UnixSeconds): UnixSeconds {
  return addSeconds(latestExpiry, DENIED_AFTER_EXPIRY_SECONDS);
}
