import { brokerAudience } from "../domain/delegation.ts";
import type { Grant } from "../domain/grant.ts";
import { isSpiffeId, type SpiffeId, type TrustDomain } from "../domain/spiffe-id.ts";
import { isObject, type JsonObject } from "../domain/strict-json.ts";
import type { UnixSeconds } from "../domain/time.ts";
import { verifyForBroker } from "./jwt-svid.ts";
import { claimsInvalid, textOf } from "./step-claims.ts";
import { VerificationError } from "./verification-error.ts";
import type { BundleSet } from "./verification-keys.ts";

/** A delegation token whose signature, audience, type and times hold. Whether it may still be used, the ledger knows. */
export type VerifiedDelegationToken = {
  readonly jti: string;
  readonly stepId: string;
  /** The runtime that may present the token. */
  readonly mayAct: SpiffeId;
  /** The most that a child may be granted. */
  readonly cap: Grant;
};

/**
 * Verifies a delegation token as the broker that issued it. A JWT-SVID without `may_act`, or with a scope, is none.
 *
 * @param options.bundles - the broker's own keys.
 * @throws VerificationError with one of its codes; never anything else
 * @see RFC 8693 section 4.4, ADR 20
 */
export function verifyDelegationToken(
  token: string,
  {
    bundles,
    trustDomain,
    now,
  }: { readonly bundles: BundleSet; readonly trustDomain: TrustDomain; readonly now: UnixSeconds },
): VerifiedDelegationToken {
  const audiences = [brokerAudience(trustDomain)];
  const verified = verifyForBroker(token, { bundles, audiences, now, development: true });
  if (verified.trustDomain !== trustDomain) {
    throw new VerificationError("SUBJECT_INVALID", "the subject is of another trust domain");
  }
  const { claims, step, grant } = verified;
  if (step === undefined) throw claimsInvalid("the facts of a step");
  if (claims["scope"] !== undefined) throw claimsInvalid("no scope");
  return { jti: textOf(claims["jti"], "jti"), stepId: step.stepId, mayAct: mayActOf(claims), cap: grant };
}

function mayActOf({ may_act: mayAct }: JsonObject): SpiffeId {
  if (!isObject(mayAct)) throw claimsInvalid("may_act as an object");
  const { sub } = mayAct;
  if (typeof sub === "string" && isSpiffeId(sub)) return sub;
  throw claimsInvalid("may_act.sub as a SPIFFE ID");
}
