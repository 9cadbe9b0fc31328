import { LIMITS } from "../domain/limits.ts";
import { isSpiffeId, pathOf, type SpiffeId, type TrustDomain, trustDomainOf } from "../domain/spiffe-id.ts";
import { isObject, type JsonObject } from "../domain/strict-json.ts";
import type { UnixSeconds } from "../domain/time.ts";
import { headerTextOf, parseJws, typedClaimsOf } from "./compact-jws.ts";
import type { VerifiedJwtSvid } from "./jwt-svid.ts";
import { grantOf, scopesOf, timesOf } from "./registered-claims.ts";
import { claimsInvalid, type StepFacts, stepFactsOf, textOf } from "./step-claims.ts";
import { checkSvidSignature, type TrustedKeys } from "./svid-signature.ts";
import { VerificationError } from "./verification-error.ts";
import type { BundleSet } from "./verification-keys.ts";

export type TxnTokenOptions = TrustedKeys & {
  /** The verifier's own audiences; the location that the token names must be one of them. */
  readonly audiences: readonly string[];
  readonly now: UnixSeconds;
};

/**
 * A transaction token whose signature, location and times hold. It says what its step may do at `audience`, and shows
 * nothing of who presents it: that is left to a WIT-SVID of `spiffeId` and a proof that names both. Has the members of a
 * JWT-SVID, since a server asks the same of both.
 */
export type VerifiedTxnToken = Omit<VerifiedJwtSvid, "confirmation"> & {
  readonly issuer: string;
  readonly jti: string;
  readonly step: StepFacts;
};

/**
 * Verifies a transaction token of a step: by the transaction token keys of the step's trust domain, and by no others.
 *
 * @param token - the value of a `Txn-Token` header.
 * @throws VerificationError with one of its codes; never anything else
 * @see draft-ietf-oauth-transaction-tokens, section Txn-Token Validation; ADR 14
 */
export function verifyTxnToken(token: string, options: TxnTokenOptions): VerifiedTxnToken {
  if (typeof token !== "string" || token.length > LIMITS.jwtPresentedBytesMax) {
    throw malformed(`a string of at most ${LIMITS.jwtPresentedBytesMax} characters`);
  }
  const jws = parseJws(token, malformed);
  const { algorithm, claims } = typedClaimsOf(jws, "txntoken+jwt", malformed);
  const keyId = headerTextOf(jws.header, "kid", malformed);
  const spiffeId = workloadOf(claims);
  checkSvidSignature({ ...jws, algorithm, keyId }, spiffeId, "txnTokenKeys", options);

  const trustDomain = trustDomainOf(spiffeId);
  if (claims["iat"] === undefined) throw claimsInvalid("iat");
  const times = timesOf(claims, options.now);
  if (claims["aud"] !== trustDomain) {
    throw new VerificationError(
      "AUDIENCE_MISMATCH",
      "the token is not for the trust domain of its step, and that alone",
    );
  }
  const issuer = issuerOf(claims, trustDomain, options.bundles);
  const { tctx } = claims;
  if (!isObject(tctx)) throw claimsInvalid("tctx as an object");
  const audience = locationIn(tctx, options.audiences);
  const step = stepFactsOf({ ...tctx, client_id: claims["sub"] }, spiffeId);
  if (step === undefined) throw claimsInvalid("the facts of a step in tctx");
  if (claims["txn"] !== step.runId) throw claimsInvalid("txn as the run of the step");
  return {
    spiffeId,
    trustDomain,
    audience,
    keyId,
    issuer,
    jti: textOf(claims["jti"], "jti"),
    clientId: step.agent,
    ...times,
    scopes: scopesIn(claims),
    grant: grantAt(audience, tctx),
    step,
    claims,
  };
}

/** The workload that asked for the token, and the only one that may present it. */
function workloadOf({ req_wl: workload }: JsonObject): SpiffeId {
  if (typeof workload === "string" && isSpiffeId(workload) && pathOf(workload) !== "") return workload;
  throw new VerificationError("SUBJECT_INVALID", "req_wl is not a SPIFFE ID with a path");
}

function issuerOf(claims: JsonObject, trustDomain: TrustDomain, bundles: BundleSet): string {
  const issuer = textOf(claims["iss"], "iss");
  const expected = bundles.get(trustDomain)?.issuer;
  if (expected === undefined || issuer === expected) return issuer;
  throw new VerificationError("ISSUER_MISMATCH", "the issuer is not the one of the trust domain");
}

function locationIn({ location }: JsonObject, audiences: readonly string[]): string {
  const named = textOf(location, "tctx.location");
  if (audiences.includes(named)) return named;
  throw new VerificationError("AUDIENCE_MISMATCH", "the token is for another location");
}

function scopesIn(claims: JsonObject): readonly string[] {
  const scopes = scopesOf(claims);
  if (scopes.length === 0) throw claimsInvalid("scope");
  return scopes;
}

/** What is granted at the location; a grant that reaches beyond it was not made for one location. */
function grantAt(location: string, tctx: JsonObject): VerifiedTxnToken["grant"] {
  const grant = grantOf(tctx);
  if (grant.length === 0 || !grant.every(({ locations }) => locations.length === 1 && locations[0] === location)) {
    throw claimsInvalid("tctx.authorization_details at the location, and nowhere else");
  }
  return grant;
}

function malformed(expected: string): VerificationError {
  return new VerificationError("TOKEN_MALFORMED", `not a transaction token: expected ${expected}`);
}
