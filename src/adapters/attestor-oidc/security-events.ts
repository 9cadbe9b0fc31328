import { errors, jwtVerify } from "jose";
import { BrokerError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { isObject, type JsonObject, parseStrictObject } from "../../domain/strict-json.ts";
import { secondsOf, type UnixSeconds } from "../../domain/time.ts";
import type { Clock } from "../../ports/clock.ts";
import type { RefusedEvent, SecurityEvents, VerifiedEvent } from "../../ports/security-events.ts";
import { parseJws } from "../../verify/compact-jws.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { fetchKeys } from "./discover-keys.ts";
import { type KeyFinder, keepIssuerKeys } from "./issuer-keys.ts";
import { TokenRefusal } from "./token-refusal.ts";
import { ALGORITHMS } from "./trusted-tokens.ts";

/** An issuer whose security events are taken. */
export type EventIssuer = {
  /** Exactly the `iss` of its events. */
  readonly issuer: string;
  /** https. */
  readonly jwksUri: string;
  readonly audience: string;
  /** CA certificates, PEM; absent: those that Node.js has. */
  readonly roots?: string;
};

/** By their `typ` alone, so that no other token of the issuer, which may be signed with the same key, is an event. RFC 8417 section 2.3 */
const TYPES: readonly unknown[] = ["secevent+jwt", "application/secevent+jwt"];
const JTI_BYTES_MAX = 512;

/**
 * Judges the security event tokens of these issuers: signed by the issuer that they name, for this broker, with one event.
 *
 * @see RFC 8417 section 2, SSF 1.0 section 4
 */
export function createSecurityEvents(issuers: readonly EventIssuer[], clock: Clock): SecurityEvents {
  const trusted = new Map<unknown, { readonly issuer: EventIssuer; readonly keyFinder: KeyFinder }>(
    issuers.map((issuer) => {
      const owner = { issuer: issuer.issuer, roots: issuer.roots, clock };
      return [issuer.issuer, { issuer, keyFinder: keepIssuerKeys(() => fetchKeys(owner, issuer.jwksUri), clock) }];
    }),
  );

  return {
    async verify(token) {
      const parsed = partsOf(token);
      if (parsed === undefined) return refused("invalid_request", "expected a security event token of at most 64 KiB");
      const { typ, claims } = parsed;
      if (!TYPES.includes(typeof typ === "string" ? typ.toLowerCase() : typ)) {
        return refused("invalid_request", "typ: expected secevent+jwt");
      }
      const of = trusted.get(claims["iss"]);
      if (of === undefined) return refused("invalid_issuer", "iss: events of this issuer are not taken here");
      const { issuer, audience } = of.issuer;
      try {
        await jwtVerify(token, of.keyFinder, {
          ...{ algorithms: ALGORITHMS, issuer, audience },
          clockTolerance: LIMITS.evidenceLeewaySeconds,
          currentDate: new Date(secondsOf(clock.now()) * 1_000),
        });
      } catch (thrown) {
        return refusalFor(thrown);
      }
      return contentOf(issuer, claims, secondsOf(clock.now()));
    },
  };
}

function partsOf(token: string): { readonly typ: unknown; readonly claims: JsonObject } | undefined {
  if (token.length > LIMITS.requestBytesMax) return undefined;
  try {
    const jws = parseJws(token, (expected) => new VerificationError("TOKEN_MALFORMED", `expected ${expected}`));
    const claims = parseStrictObject(jws.payload);
    return claims === undefined ? undefined : { typ: jws.header["typ"], claims };
  } catch (thrown) {
    if (thrown instanceof VerificationError) return undefined;
    throw thrown;
  }
}

/** @throws BrokerError NOT_SERVING */
function refusalFor(thrown: unknown): RefusedEvent {
  if (thrown instanceof TokenRefusal) {
    const message = "the keys of the events' issuer can't be had now: send the event again";
    throw new BrokerError("NOT_SERVING", message, { detail: thrown.message });
  }
  if (thrown instanceof errors.JWTClaimValidationFailed && thrown.claim === "aud") {
    return refused("invalid_audience", "aud: expected the audience that is configured for the issuer");
  }
  if (thrown instanceof errors.JWTClaimValidationFailed || thrown instanceof errors.JWTExpired) {
    return refused("invalid_request", `${thrown.claim}: not as it has to be`);
  }
  return refused("invalid_key", "expected a signature by a key of the issuer");
}

function contentOf(issuer: string, claims: JsonObject, now: UnixSeconds): VerifiedEvent | RefusedEvent {
  const { jti, iat, events, sub_id: subject } = claims;
  // What identifies somebody as tokens do is no event, whatever its typ. SSF 1.0 section 4.1
  if (claims["sub"] !== undefined || claims["exp"] !== undefined)
    return refused("invalid_request", "expected neither sub nor exp");
  if (typeof jti !== "string" || jti === "" || Buffer.byteLength(jti) > JTI_BYTES_MAX) {
    return refused("invalid_request", `jti: expected 1 to ${JTI_BYTES_MAX} bytes`);
  }
  if (typeof iat !== "number" || iat > now + LIMITS.evidenceLeewaySeconds) {
    return refused("invalid_request", "iat: expected an instant that is not ahead");
  }
  const [event, ...more] = isObject(events) ? Object.keys(events) : [];
  if (event === undefined || more.length > 0) return refused("invalid_request", "events: expected one");
  if (!isObject(subject)) return refused("invalid_request", "sub_id: expected an object");
  return { kind: "verified", issuer, jti, issuedAt: Math.floor(iat) as UnixSeconds, event, subject };
}

function refused(err: RefusedEvent["err"], description: string): RefusedEvent {
  return { kind: "refused", err, description };
}
