import { isObject, type JsonObject } from "../domain/strict-json.ts";
import type { UnixSeconds } from "../domain/time.ts";
import { parseJws, typedClaimsOf } from "./compact-jws.ts";
import { checkEventSignature } from "./event-signature.ts";
import { isInstant } from "./registered-claims.ts";
import { VerificationError } from "./verification-error.ts";
import type { VerificationKey } from "./verification-keys.ts";

/** A security event whose signature and claims hold. */
export type VerifiedSecurityEvent = {
  readonly jti: string;
  readonly issuedAt: UnixSeconds;
  /** URI of the event. */
  readonly event: string;
  readonly said: JsonObject;
  readonly subject: JsonObject;
};

export type SecurityEventOptions = {
  /** Keys that sign events, by `kid`. */
  readonly keys: ReadonlyMap<string, VerificationKey>;
  readonly issuer: string;
  /** Of the receiver's stream. */
  readonly audience: string;
};

/**
 * Verifies a security event token with one event. How old it is is not looked at: what was not received yet is sent again.
 *
 * @throws VerificationError with one of its codes; never anything else
 * @see RFC 8417 section 2, SSF 1.0 section 4
 */
export function verifySecurityEvent(
  text: string,
  { keys, issuer, audience }: SecurityEventOptions,
): VerifiedSecurityEvent {
  const jws = parseJws(text, malformed);
  const { algorithm, claims } = typedClaimsOf(jws, "secevent+jwt", malformed);
  checkEventSignature({ jws, algorithm, keys }, "security event", malformed);
  if (claims["iss"] !== issuer)
    throw new VerificationError("ISSUER_MISMATCH", "the security event is of another issuer");
  if (claims["aud"] !== audience) {
    throw new VerificationError("AUDIENCE_MISMATCH", "the security event is for another receiver");
  }
  const { jti, iat: issuedAt, sub_id: subject, events } = claims;
  const [[event, said] = [], ...others] = isObject(events) ? Object.entries(events) : [];
  const isWhole = typeof jti === "string" && jti !== "" && isInstant(issuedAt) && isObject(subject) && isObject(said);
  if (!isWhole || event === undefined || others.length > 0) {
    throw new VerificationError(
      "CLAIMS_INVALID",
      "claims of the security event: expected jti, iat, sub_id and one event",
    );
  }
  return { jti, issuedAt, event, said, subject };
}

function malformed(expected: string): VerificationError {
  return new VerificationError("TOKEN_MALFORMED", `not a security event: expected ${expected}`);
}
