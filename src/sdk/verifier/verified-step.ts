import type { VerifiedJwtSvid } from "../../verify/jwt-svid.ts";
import type { StepFacts } from "../../verify/step-claims.ts";
import type { VerifiedTxnToken } from "../../verify/txn-token.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import type { VerifiedWitSvid } from "../../verify/wit-svid.ts";
import { type DenyKey, type DenyListEntry, jwtKey, spiffeIdKey, stepKey } from "./deny-list.ts";
import { createKeptWithin } from "./kept-within.ts";
import { denyKeysOfPeer, type VerifiedPeer } from "./verified-peer.ts";

declare const checked: unique symbol;

/**
 * A step whose JWT-SVID, or transaction token with a proof, holds, and was not denied when it was verified; comes from
 * `verify` and `verifyRequest` alone.
 */
export type VerifiedStep = VerifiedJwtSvid & {
  readonly [checked]: "verified-step";
  readonly issuer: string;
  readonly jti: string;
  readonly step: StepFacts;
  /** Of a foreign trust domain: nothing is known here of its end. Its grant is empty unless the verifier takes its grants. */
  readonly federated: boolean;
  /** Of a transaction token: whose WIT-SVID it came with. */
  readonly provedBy?: VerifiedWorkload;
};

/**
 * A workload whose WIT-SVID and proof hold; comes from `verifyRequest` alone. It identifies, and grants nothing. A workload
 * of this trust domain is a step; a foreign one need not be.
 */
export type VerifiedWorkload = VerifiedWitSvid & {
  readonly [checked]: "verified-workload";
  /** With its `jti` the name by which the WIT-SVID can be denied; absent where nobody would tell. */
  readonly issuer?: string;
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
 * A verified WIT-SVID as one of a workload.
 *
 * @param trust.issuer - of the trust domain's tokens, where it is known; a WIT-SVID does not say it.
 * @throws VerificationError CLAIMS_INVALID when it is of this trust domain and of no step
 */
export function verifiedWorkloadOf(
  verified: VerifiedWitSvid,
  { federated, issuer }: { readonly federated: boolean; readonly issuer: string | undefined },
): VerifiedWorkload {
  if (verified.step === undefined && !federated) {
    throw new VerificationError("CLAIMS_INVALID", "claims of the token: expected the facts of a step");
  }
  return { ...verified, ...(issuer === undefined ? {} : { issuer }), federated } as VerifiedWitSvid as VerifiedWorkload;
}

/**
 * A verified transaction token as what a step may do that is proved by its WIT-SVID.
 *
 * @throws VerificationError PROOF_MISMATCH for the WIT-SVID of another workload
 */
export function verifiedTransactionOf(verified: VerifiedTxnToken, provedBy: VerifiedWorkload): VerifiedStep {
  if (verified.spiffeId !== provedBy.spiffeId) {
    throw new VerificationError("PROOF_MISMATCH", "the WIT-SVID and the transaction token are of different steps");
  }
  const expiresAt = Math.min(verified.expiresAt, provedBy.expiresAt) as VerifiedTxnToken["expiresAt"];
  return { ...verified, expiresAt, federated: provedBy.federated, provedBy } as VerifiedTxnToken as VerifiedStep;
}

/** Whatever was verified, and can be denied. */
export type Verified = VerifiedStep | VerifiedWorkload | VerifiedPeer;

/** What was verified is looked at again for each use of it, and a hash for each name takes longer than looking all of them up. */
const keysOf = createKeptWithin<Verified, readonly DenyKey[]>();

/** Every name by which a step or its credentials can be denied. */
export function denyKeysOf(verified: Verified): readonly DenyKey[] {
  const known = keysOf.get(verified);
  if (known !== undefined) return known;
  const keys = "serialNumber" in verified ? denyKeysOfPeer(verified) : denyKeysOfStep(verified);
  keysOf.set(verified, keys);
  return keys;
}

function denyKeysOfStep(verified: VerifiedStep | VerifiedWorkload): readonly DenyKey[] {
  const { step, spiffeId, issuer, jti } = verified;
  return [
    ...(step === undefined ? [] : [stepKey(step.stepId)]),
    spiffeIdKey(spiffeId),
    ...(issuer === undefined || jti === undefined ? [] : [jwtKey(issuer, jti)]),
    ...("provedBy" in verified && verified.provedBy !== undefined ? denyKeysOf(verified.provedBy) : []),
  ];
}

/** What a denial is to whoever presents what it names. */
export function refusalOf({ reason, state }: DenyListEntry): VerificationError {
  return state === undefined
    ? new VerificationError("REVOKED", "the credential was revoked", { reason })
    : new VerificationError("REVOKED", "the step has ended", { reason, state });
}
