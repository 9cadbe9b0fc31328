import { BrokerError } from "../domain/errors.ts";
import { type Grant, parseGrant } from "../domain/grant.ts";
import { LIMITS } from "../domain/limits.ts";
import { isSpiffeId, pathOf, type SpiffeId } from "../domain/spiffe-id.ts";
import type { JsonObject } from "../domain/strict-json.ts";
import { addSeconds, type UnixSeconds } from "../domain/time.ts";
import { claimsInvalid, textOf } from "./step-claims.ts";
import { VerificationError } from "./verification-error.ts";

/** 9999-12-31T23:59:59Z; a number above it is no instant that a clock can print. */
const NUMERIC_DATE_MAX = 253_402_300_799;
/** Scope tokens of RFC 6749 appendix A.4, joined by single spaces. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/;

/**
 * The SPIFFE ID of the workload that a token identifies.
 *
 * @throws VerificationError SUBJECT_INVALID
 * @see JWT-SVID section 3.1, WIT-SVID section 3.1
 */
export function subjectOf(claims: JsonObject): SpiffeId {
  const { sub } = claims;
  if (typeof sub === "string" && isSpiffeId(sub) && pathOf(sub) !== "") return sub;
  throw new VerificationError("SUBJECT_INVALID", "the subject is not a SPIFFE ID with a path");
}

export type Times = {
  readonly issuedAt?: UnixSeconds;
  readonly notBefore?: UnixSeconds;
  readonly expiresAt: UnixSeconds;
};

/**
 * The times of a token that is valid at `now`.
 *
 * @throws VerificationError CLAIMS_INVALID, EXPIRED or NOT_YET_VALID
 * @see RFC 7519 sections 4.1.4 to 4.1.6
 */
export function timesOf(claims: JsonObject, now: UnixSeconds): Times {
  const leeway = LIMITS.verifierLeewaySeconds;
  const expiresAt = instantOf(claims, "exp");
  const notBefore = instantOf(claims, "nbf");
  const issuedAt = instantOf(claims, "iat");
  if (expiresAt === undefined) throw claimsInvalid("exp");
  // Written as "not yet over" and "has begun", so that a clock that is not a number refuses.
  if (!(now < addSeconds(expiresAt, leeway))) {
    throw new VerificationError("EXPIRED", "the token has expired");
  }
  for (const begin of [notBefore, issuedAt]) {
    if (begin === undefined) continue;
    if (begin > expiresAt) throw claimsInvalid("exp after nbf and iat");
    if (!(now >= addSeconds(begin, -leeway))) {
      throw new VerificationError("NOT_YET_VALID", "the token is not valid yet");
    }
  }
  return {
    expiresAt,
    ...(issuedAt === undefined ? {} : { issuedAt }),
    ...(notBefore === undefined ? {} : { notBefore }),
  };
}

function instantOf(claims: JsonObject, name: string): UnixSeconds | undefined {
  const value = claims[name];
  if (value === undefined) return undefined;
  if (!isInstant(value)) throw claimsInvalid(`${name} as whole seconds since 1970`);
  return value;
}

/** Whether a claim is a NumericDate, in whole seconds, as everybody writes it. RFC 7519 section 2. */
export function isInstant(value: unknown): value is UnixSeconds {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= NUMERIC_DATE_MAX;
}

export type AudienceOptions = {
  /** The verifier's own audiences; one of them must be the token's. */
  readonly audiences: readonly string[];
  /**
   * Accepts a token that is also for other audiences. Any of them could present the token here, so it identifies and
   * grants nothing. Default: false.
   */
  readonly allowSeveralAudiences?: boolean;
};

/**
 * The one of the verifier's own audiences that the token is for; compared exactly, whether `aud` is a string or a list.
 *
 * @throws VerificationError CLAIMS_INVALID or AUDIENCE_MISMATCH
 * @see RFC 7519 section 4.1.3
 */
export function audienceOf(claims: JsonObject, options: AudienceOptions): string {
  const { aud } = claims;
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (audiences.length === 0 || !audiences.every((one) => typeof one === "string" && one !== "")) {
    throw claimsInvalid("aud as a string or a list of strings");
  }
  const own = options.audiences.find((one) => audiences.includes(one));
  if (own === undefined) throw new VerificationError("AUDIENCE_MISMATCH", "the token is for another audience");
  if (audiences.length > 1) {
    if (options.allowSeveralAudiences !== true) {
      throw new VerificationError("AUDIENCE_MISMATCH", "the token is for several audiences");
    }
    if (claims["authorization_details"] !== undefined || claims["scope"] !== undefined) {
      throw claimsInvalid("no grant for several audiences");
    }
  }
  return own;
}

export function optionalText(claims: JsonObject, name: string): string | undefined {
  const value = claims[name];
  return value === undefined ? undefined : textOf(value, name);
}

/**
 * The words of `scope`; empty when there is none.
 *
 * @throws VerificationError CLAIMS_INVALID
 */
export function scopesOf(claims: JsonObject): readonly string[] {
  const { scope } = claims;
  if (scope === undefined || scope === "") return [];
  if (typeof scope !== "string" || !SCOPE.test(scope)) throw claimsInvalid("scope as words joined by single spaces");
  return scope.split(" ");
}

/**
 * `authorization_details`; empty when there are none. An element of a type that is not ours is refused rather than
 * skipped.
 *
 * @throws VerificationError CLAIMS_INVALID
 */
export function grantOf(claims: JsonObject): Grant {
  const details = claims["authorization_details"];
  if (details === undefined) return [];
  try {
    return parseGrant(details, { ceiling: false }, "authorization_details");
  } catch (thrown) {
    if (thrown instanceof BrokerError) throw claimsInvalid("authorization_details of type mcp_tool");
    throw thrown;
  }
}
