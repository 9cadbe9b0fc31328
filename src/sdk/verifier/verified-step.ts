import type { VerifiedJwtSvid } from "../../verify/jwt-svid.ts";
import type { StepFacts } from "../../verify/step-claims.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { type DenyKey, type DenyListEntry, jwtKey, spiffeIdKey, stepKey } from "./deny-list.ts";

declare const checked: unique symbol;

/** A step whose JWT-SVID holds, and was not denied when it was verified; comes from `verify` alone. */
export type VerifiedStep = VerifiedJwtSvid & {
  readonly [checked]: "verified-step";
  readonly issuer: string;
  readonly jti: string;
  readonly step: StepFacts;
};

/**
 * A verified JWT-SVID as one of a step.
 *
 * @throws VerificationError CLAIMS_INVALID when it lacks a name by which it could be denied
 */
export function verifiedStepOf(verified: VerifiedJwtSvid): VerifiedStep {
  const { issuer, jti, step } = verified;
  if (issuer === undefined || jti === undefined || step === undefined) {
    throw new VerificationError("CLAIMS_INVALID", "claims of the JWT-SVID: expected iss, jti and the facts of a step");
  }
  return { ...verified, issuer, jti, step } as VerifiedStep;
}

/** Every name by which a step or its token can be denied. */
export function denyKeysOf(verified: VerifiedStep): readonly DenyKey[] {
  return [stepKey(verified.step.stepId), spiffeIdKey(verified.spiffeId), jwtKey(verified.issuer, verified.jti)];
}

/** What a denial is to whoever presents what it names. */
export function refusalOf({ reason, state }: DenyListEntry): VerificationError {
  return state === undefined
    ? new VerificationError("REVOKED", "the token was revoked", { reason })
    : new VerificationError("REVOKED", "the step has ended", { reason, state });
}
