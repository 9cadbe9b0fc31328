import type { VerifiedJwtSvid } from "../../verify/jwt-svid.ts";
import type { StepFacts } from "../../verify/step-claims.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import type { VerifiedWitSvid } from "../../verify/wit-svid.ts";
import { type DenyKey, type DenyListEntry, jwtKey, spiffeIdKey, stepKey } from "./deny-list.ts";
import { denyKeysOfPeer, type VerifiedPeer } from "./verified-peer.ts";

declare const checked: unique symbol;

/** A step whose JWT-SVID holds, and was not denied when it was verified; comes from `verify` alone. */
export type VerifiedStep = VerifiedJwtSvid & {
  readonly [checked]: "verified-step";
  readonly issuer: string;
  readonly jti: string;
  readonly step: StepFacts;
  /** Of a foreign trust domain: nothing is known here of its end. Its grant is empty unless the verifier takes its grants. */
  readonly federated: boolean;
};

/** A step whose WIT-SVID and proof hold; comes from `verifyRequest` alone. It identifies, and grants nothing. */
export type VerifiedWitStep = VerifiedWitSvid & {
  readonly [checked]: "verified-wit-step";
  readonly step: StepFacts;
  /** Of a foreign trust domain: nothing is known here of its end. */
  readonly federated: boolean;
};

/**
 * A verified JWT-SVID as one of a step.
 *
 * @param trust.grants - whether what it is granted counts here.
 * @throws VerificationError CLAIMS_INVALID when it lacks a name by which it could be denied
 */
export function verifiedStepOf(
  verified: VerifiedJwtSvid,
  trust: { readonly federated: boolean; readonly grants: boolean },
): VerifiedStep {
  const { issuer, jti, step } = verified;
  if (issuer === undefined || jti === undefined || step === undefined) {
    throw new VerificationError("CLAIMS_INVALID", "claims of the token: expected iss, jti and the facts of a step");
  }
  const granted = trust.grants ? {} : { grant: [], scopes: [] };
  const { federated } = trust;
  return { ...verified, ...granted, ...{ issuer, jti, step, federated } } as VerifiedStep;
}

/**
 * A verified WIT-SVID as one of a step.
 *
 * @throws VerificationError CLAIMS_INVALID
 */
export function verifiedWitStepOf(verified: VerifiedWitSvid, federated: boolean): VerifiedWitStep {
  const { step } = verified;
  if (step === undefined) {
    throw new VerificationError("CLAIMS_INVALID", "claims of the token: expected the facts of a step");
  }
  return { ...verified, step, federated } as VerifiedWitSvid as VerifiedWitStep;
}

/** Whatever was verified, and can be denied. */
export type Verified = VerifiedStep | VerifiedWitStep | VerifiedPeer;

/** Every name by which a step or its credential can be denied; a WIT-SVID has no issuer, so it is by its step alone. */
export function denyKeysOf(verified: Verified): readonly DenyKey[] {
  if ("serialNumber" in verified) return denyKeysOfPeer(verified);
  const ofStep = [stepKey(verified.step.stepId), spiffeIdKey(verified.spiffeId)];
  return "issuer" in verified ? [...ofStep, jwtKey(verified.issuer, verified.jti)] : ofStep;
}

/** What a denial is to whoever presents what it names. */
export function refusalOf({ reason, state }: DenyListEntry): VerificationError {
  return state === undefined
    ? new VerificationError("REVOKED", "the credential was revoked", { reason })
    : new VerificationError("REVOKED", "the step has ended", { reason, state });
}
