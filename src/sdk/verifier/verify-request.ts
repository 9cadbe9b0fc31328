import type { Action } from "../../domain/grant.ts";
import type { UnixSeconds } from "../../domain/time.ts";
import { type Possession, proofRequired } from "../../verify/confirmation-claim.ts";
import { parseDpopProof, type VerifiedDpopProof, verifyDpopProof } from "../../verify/dpop-proof.ts";
import { sha256Of } from "../../verify/proof-key.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { verifyWorkloadProofToken } from "../../verify/workload-proof-token.ts";
import { type PresentedCredentials, type PresentedRequest, presentedCredentials } from "./presented-credentials.ts";
import { PROOF_KINDS, type ProofKind, type ProofState, type ProofTerms } from "./proof-settings.ts";
import type { VerifiedStep, VerifiedWitStep } from "./verified-step.ts";

export type RequestOptions = ProofTerms & {
  /** One of the verifier's own; default: any of them. */
  readonly audience?: string;
  /** Hold it to the staleness bound of these; see `verify`. */
  readonly actions?: readonly Action[];
};

/** Who sent a request, and how that was shown. */
export type VerifiedRequest =
  | {
      readonly kind: "jwt-svid";
      readonly step: VerifiedStep;
      /** `none`: by the token alone. */
      readonly proof: ProofKind | "none";
      /** To be sent with the answer, as `DPoP-Nonce`. */
      readonly dpopNonce?: string;
    }
  /** A WIT-SVID and its proof alone: it says which step this is, and grants nothing. */
  | { readonly kind: "wit-svid"; readonly step: VerifiedWitStep; readonly proof: "wit" };

/** What the credentials themselves are verified by. */
export type CredentialVerifiers = {
  readonly proofs: ProofState;
  now(): UnixSeconds;
  jwtSvid(token: string, options: RequestOptions & { readonly confirmation: Possession }): VerifiedStep;
  witSvid(token: string, options: RequestOptions): VerifiedWitStep;
};

/**
 * Verifies all that a request brings: its token, the proof of what the token is bound to, and a WIT-SVID with its proof. A
 * proof is remembered once everything else holds.
 *
 * @throws VerificationError
 */
export function verifyRequest(
  verifiers: CredentialVerifiers,
  request: PresentedRequest,
  options: RequestOptions,
): VerifiedRequest {
  const { proof = "accepted", proofKinds = PROOF_KINDS } = options;
  const kinds = proof === "none" ? [] : proofKinds;
  const presented = presentedCredentials(request);
  const now = verifiers.now();

  const jwt = verifyToken(verifiers, request, presented, kinds, options, now);
  const wit = kinds.includes("wit") ? verifyWit(verifiers, request, presented, options, now) : undefined;
  const verified = verifiedOf(jwt, wit);
  if (proof === "required" && verified.proof === "none") throw proofRequired("any");

  const { replays } = verifiers.proofs;
  if (jwt?.dpop !== undefined) replays.use(jwt.dpop.jkt, `dpop ${jwt.dpop.jti}`, now);
  if (wit !== undefined) inWit(() => replays.use(wit.step.confirmationKey.jkt, `wpt ${wit.jti}`, now));
  return verified;
}

function verifiedOf(jwt: VerifiedToken | undefined, wit: VerifiedWit | undefined): VerifiedRequest {
  if (jwt === undefined) {
    if (wit === undefined) throw new VerificationError("TOKEN_MISSING", "a token is required");
    return { kind: "wit-svid", step: wit.step, proof: "wit" };
  }
  if (wit !== undefined && wit.step.spiffeId !== jwt.step.spiffeId) {
    throw ofWit(new VerificationError("PROOF_MISMATCH", "the WIT-SVID and the token are of different steps"));
  }
  const dpopNonce = jwt.dpop?.nextNonce;
  return {
    kind: "jwt-svid",
    step: jwt.step,
    // What the token itself is bound to says more than what came beside it.
    proof: jwt.proof === "none" && wit !== undefined ? "wit" : jwt.proof,
    ...(dpopNonce === undefined ? {} : { dpopNonce }),
  };
}

type VerifiedToken = {
  readonly step: VerifiedStep;
  readonly proof: ProofKind | "none";
  readonly dpop: VerifiedDpopProof | undefined;
};

type VerifiedWit = { readonly step: VerifiedWitStep; readonly jti: string };

/** @returns `undefined` when there is none of a scheme that is taken. */
function verifyToken(
  verifiers: CredentialVerifiers,
  request: PresentedRequest,
  { scheme, token, dpop }: PresentedCredentials,
  kinds: readonly ProofKind[],
  options: RequestOptions,
  now: UnixSeconds,
): VerifiedToken | undefined {
  if (token === undefined || (scheme === "DPoP" && !kinds.includes("dpop"))) return undefined;
  const { clientCertificate } = request;
  const certificate =
    clientCertificate === undefined || !kinds.includes("mtls") ? {} : { "x5t#S256": sha256Of(clientCertificate) };
  if (scheme === "Bearer") {
    const step = verifiers.jwtSvid(token, { ...options, confirmation: certificate });
    return { step, proof: step.confirmation === undefined ? "none" : "mtls", dpop: undefined };
  }
  if (dpop === undefined) throw new VerificationError("PROOF_INVALID", "expected a DPoP header with the proof");
  const parsed = parseDpopProof(dpop);
  // The token first: whose key it is not bound to does not get a signature of their own choice verified.
  const step = verifiers.jwtSvid(token, { ...options, confirmation: { ...certificate, jkt: parsed.jkt } });
  const { nonces, dpopAgeSecondsMax: ageSecondsMax, dpopAheadSecondsMax: aheadSecondsMax } = verifiers.proofs;
  const { method, url } = request;
  return {
    step,
    proof: "dpop",
    dpop: verifyDpopProof(parsed, { method, url, token, now, ageSecondsMax, aheadSecondsMax, nonces }),
  };
}

/** @returns `undefined` when there is neither a WIT-SVID nor a proof of one. */
function verifyWit(
  verifiers: CredentialVerifiers,
  { url }: PresentedRequest,
  { wit, workloadProof, token: accessToken, transactionToken }: PresentedCredentials,
  options: RequestOptions,
  now: UnixSeconds,
): VerifiedWit | undefined {
  if (wit === undefined && workloadProof === undefined) return undefined;
  return inWit(() => {
    if (wit === undefined || workloadProof === undefined) {
      throw new VerificationError("PROOF_INVALID", "expected a WIT-SVID together with its Workload Proof Token");
    }
    const step = verifiers.witSvid(wit, options);
    const { workloadProofSecondsMax: secondsMax } = verifiers.proofs;
    const key = step.confirmationKey;
    const request = { key, url, wit, accessToken, transactionToken, now, secondsMax };
    return { step, ...verifyWorkloadProofToken(workloadProof, request) };
  });
}

/** Marks what a WIT-SVID is refused for: WIMSE has it answered otherwise than what a token is. */
function inWit<Value>(verify: () => Value): Value {
  try {
    return verify();
  } catch (thrown) {
    throw thrown instanceof VerificationError ? ofWit(thrown) : thrown;
  }
}

function ofWit({ code, message, metadata }: VerificationError): VerificationError {
  return new VerificationError(code, message, { ...metadata, credential: "wit-svid" });
}
