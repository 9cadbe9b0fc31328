import { LIMITS } from "../domain/limits.ts";
import { type SpiffeId, type TrustDomain, trustDomainOf } from "../domain/spiffe-id.ts";
import { isObject, type JsonObject } from "../domain/strict-json.ts";
import type { UnixSeconds } from "../domain/time.ts";
import { headerTextOf, parseJws, typedClaimsOf } from "./compact-jws.ts";
import { type ProofKey, proofKeyOf } from "./proof-key.ts";
import { optionalText, subjectOf, type Times, timesOf } from "./registered-claims.ts";
import { claimsInvalid, type StepFacts, stepFactsOf } from "./step-claims.ts";
import { checkSvidSignature, type TrustedKeys } from "./svid-signature.ts";
import { VerificationError } from "./verification-error.ts";

/**
 * A WIT-SVID whose signature, subject and times hold. The SVID shows nothing by itself: only a presenter that proves
 * possession of `confirmationKey` is its subject.
 */
export type VerifiedWitSvid = Times & {
  readonly spiffeId: SpiffeId;
  readonly trustDomain: TrustDomain;
  readonly keyId: string;
  readonly jti?: string;
  /** The key whose possession is to be proved. */
  readonly confirmationKey: ProofKey;
  /** Present when the subject is a step of ours. */
  readonly step?: StepFacts;
  /** All claims as they came. */
  readonly claims: JsonObject;
};

/**
 * Verifies a WIT-SVID against bundles: by the WIT-SVID keys of its subject's trust domain, and by no others.
 *
 * @param token - the value of a `Workload-Identity-Token` header.
 * @param options.now - the verifier's clock, rounded down.
 * @throws VerificationError with one of its codes; never anything else
 * @see WIT-SVID sections 2 to 4, draft-ietf-wimse-workload-creds
 */
export function verifyWitSvid(token: string, options: TrustedKeys & { readonly now: UnixSeconds }): VerifiedWitSvid {
  if (typeof token !== "string" || token.length > LIMITS.jwtPresentedBytesMax) {
    throw malformed(`a string of at most ${LIMITS.jwtPresentedBytesMax} characters`);
  }
  const jws = parseJws(token, malformed);
  const { algorithm, claims } = typedClaimsOf(jws, "wit+jwt", malformed);
  const keyId = headerTextOf(jws.header, "kid", malformed);
  const spiffeId = subjectOf(claims);
  checkSvidSignature({ ...jws, algorithm, keyId }, spiffeId, "witKeys", options);

  const times = timesOf(claims, options.now);
  // The proof tells whom the SVID is for; a token with an audience may have been meant as a token of another kind.
  if (Object.hasOwn(claims, "aud")) throw claimsInvalid("no aud");
  const confirmationKey = confirmationKeyOf(claims["cnf"]);
  const step = stepFactsOf(claims, spiffeId);
  const jti = optionalText(claims, "jti");
  return {
    spiffeId,
    trustDomain: trustDomainOf(spiffeId),
    keyId,
    ...times,
    ...(jti === undefined ? {} : { jti }),
    confirmationKey,
    ...(step === undefined ? {} : { step }),
    claims,
  };
}

function confirmationKeyOf(cnf: unknown): ProofKey {
  const refuse = (expected: string) => claimsInvalid(`cnf.jwk as ${expected}`);
  if (!isObject(cnf) || Object.keys(cnf).join() !== "jwk") throw claimsInvalid("cnf with jwk, and nothing else");
  const { jwk } = cnf;
  return proofKeyOf(jwk, isObject(jwk) ? jwk["alg"] : undefined, refuse);
}

function malformed(expected: string): VerificationError {
  return new VerificationError("TOKEN_MALFORMED", `not a WIT-SVID: expected ${expected}`);
}
