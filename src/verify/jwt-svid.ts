import type { Confirmation } from "../domain/confirmation.ts";
import { isBrokerAudience } from "../domain/delegation.ts";
import type { Grant } from "../domain/grant.ts";
import { LIMITS } from "../domain/limits.ts";
import { type SpiffeId, type TrustDomain, trustDomainOf } from "../domain/spiffe-id.ts";
import { type JsonObject, parseStrictObject } from "../domain/strict-json.ts";
import type { UnixSeconds } from "../domain/time.ts";
import { malformed, parseCompactJws } from "./compact-jws.ts";
import { confirmationOf, type Possession } from "./confirmation-claim.ts";
import {
  type AudienceOptions,
  audienceOf,
  grantOf,
  optionalText,
  scopesOf,
  subjectOf,
  type Times,
  timesOf,
} from "./registered-claims.ts";
import { claimsInvalid, type StepFacts, stepFactsOf } from "./step-claims.ts";
import { checkSvidSignature, type TrustedKeys } from "./svid-signature.ts";
import { VerificationError } from "./verification-error.ts";
import type { BundleSet } from "./verification-keys.ts";

export type JwtSvidOptions = AudienceOptions &
  TrustedKeys & {
    /** The verifier's clock, rounded down. */
    readonly now: UnixSeconds;
    /** What the presenter has proved to possess, or will have before the token is believed. Default: nothing. */
    readonly confirmation?: Possession;
  };

/**
 * A JWT-SVID whose signature, subject, audience and times hold. Revocation is not looked at here. `expiresAt` is
 * exclusive, and the token is accepted for `LIMITS.verifierLeewaySeconds` more.
 */
export type VerifiedJwtSvid = Times & {
  readonly spiffeId: SpiffeId;
  readonly trustDomain: TrustDomain;
  /** The verifier's own audience that the token is for. */
  readonly audience: string;
  readonly keyId: string;
  readonly issuer?: string;
  readonly jti?: string;
  readonly clientId?: string;
  /** `scope`, taken apart. */
  readonly scopes: readonly string[];
  /** `authorization_details`; empty when the token only identifies. */
  readonly grant: Grant;
  /** What the token is bound to, and was presented with. Absent: a bearer token. */
  readonly confirmation?: Confirmation;
  /** Present when the subject is a step of ours. */
  readonly step?: StepFacts;
  /** All claims as they came. */
  readonly claims: JsonObject;
};

const TYPES: readonly (string | undefined)[] = [undefined, "JWT", "JOSE"];

/**
 * Verifies a JWT-SVID against bundles: no network, no state. Before the signature holds, nothing of the token is
 * believed but where to look for its key.
 *
 * Time, with `L` = 5 s of leeway: refused from `exp + L` on, and before `nbf - L` or `iat - L`.
 *
 * A delegation token is refused whatever the audience, and so is all that is for a broker: only a broker has any use for
 * the two.
 *
 * @param token - the JWS in compact serialization, without `Bearer`.
 * @throws VerificationError with one of its codes; never anything else
 * @see JWT-SVID sections 2 to 5, RFC 8725 section 3, contracts section 2
 */
export function verifyJwtSvid(token: string, options: JwtSvidOptions): VerifiedJwtSvid {
  const verified = verifyForBroker(token, options);
  if (verified.claims["may_act"] !== undefined) throw claimsInvalid("no may_act: a delegation token is for its broker");
  if (isBrokerAudience(verified.audience)) {
    throw new VerificationError("AUDIENCE_MISMATCH", "the token is for a broker");
  }
  return verified;
}

/** As `verifyJwtSvid`, and accepts delegation tokens: for the broker that issued them. */
export function verifyForBroker(token: string, options: JwtSvidOptions): VerifiedJwtSvid {
  const { spiffeId, keyId, claims } = signedClaimsOf(token, options);
  const trustDomain = trustDomainOf(spiffeId);
  const times = timesOf(claims, options.now);
  const audience = audienceOf(claims, options);
  const issuer = optionalText(claims, "iss");
  checkIssuer(issuer, trustDomain, options.bundles);
  const confirmation = confirmationOf(claims, options.confirmation ?? {});
  const step = stepFactsOf(claims, spiffeId);
  const jti = optionalText(claims, "jti");
  const clientId = optionalText(claims, "client_id");
  return {
    spiffeId,
    trustDomain,
    audience,
    keyId,
    ...(issuer === undefined ? {} : { issuer }),
    ...(jti === undefined ? {} : { jti }),
    ...(clientId === undefined ? {} : { clientId }),
    ...times,
    scopes: scopesOf(claims),
    grant: grantOf(claims),
    ...(confirmation === undefined ? {} : { confirmation }),
    ...(step === undefined ? {} : { step }),
    claims,
  };
}

/** What a trust domain has signed as the claims of a JWT-SVID, whether it still holds or not. */
export type SignedClaims = { readonly spiffeId: SpiffeId; readonly keyId: string; readonly claims: JsonObject };

/**
 * The claims of a JWT-SVID whose signature holds; nothing else of it is looked at.
 *
 * @throws VerificationError TOKEN_MALFORMED, SUBJECT_INVALID, ALGORITHM_REFUSED, KEY_UNKNOWN or SIGNATURE_INVALID
 */
export function signedClaimsOf(token: string, keys: TrustedKeys): SignedClaims {
  if (typeof token !== "string" || token.length > LIMITS.jwtPresentedBytesMax) {
    throw malformed(`a string of at most ${LIMITS.jwtPresentedBytesMax} characters`);
  }
  const jws = parseCompactJws(token);
  if (!TYPES.includes(jws.type)) throw malformed("typ JWT or JOSE, or none");
  const claims = parseStrictObject(jws.payload);
  if (claims === undefined) throw malformed("a JSON object without repeated members as its claims");
  const spiffeId = subjectOf(claims);
  checkSvidSignature(jws, spiffeId, "keys", keys);
  return { spiffeId, keyId: jws.keyId, claims };
}

/** Where a trust domain's issuer is not known, `iss` may be any but the known issuer of another trust domain. */
function checkIssuer(issuer: string | undefined, trustDomain: TrustDomain, bundles: BundleSet): void {
  const expected = bundles.get(trustDomain)?.issuer;
  const isAnothers =
    issuer !== undefined &&
    [...bundles.values()].some((other) => other.trustDomain !== trustDomain && other.issuer === issuer);
  if (isAnothers || (expected !== undefined && issuer !== expected)) {
    throw new VerificationError("ISSUER_MISMATCH", "the issuer is not the one of the trust domain");
  }
}
