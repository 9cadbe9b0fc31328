import type { UnixSeconds } from "../../domain/time.ts";
import { proofRequired } from "../../verify/confirmation-claim.ts";
import { parseDpopProof, type VerifiedDpopProof, verifyDpopProof } from "../../verify/dpop-proof.ts";
import { sha256Of } from "../../verify/proof-key.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { type PresentedCredentials, type PresentedRequest, presentedCredentials } from "./presented-credentials.ts";
import { checkProofPolicy, PROOF_KINDS, type ProofKind } from "./proof-settings.ts";
import type { CredentialVerifiers, RequestOptions, VerifiedRequest } from "./verified-request.ts";
import type { VerifiedStep } from "./verified-step.ts";
import { verifyByWit } from "./verify-by-wit.ts";

/**
 * Verifies all that a request brings: its token and the proof of what the token is bound to; or its WIT-SVID with the proof,
 * and the transaction token that the proof covers. A proof is remembered once everything else holds.
 *
 * @throws VerificationError; BrokerError INVALID_FIELD for a policy that is none
 */
export function verifyRequest(
  verifiers: CredentialVerifiers,
  request: PresentedRequest,
  options: RequestOptions,
): VerifiedRequest {
  const { proof = "accepted", proofKinds = PROOF_KINDS } = options;
  checkProofPolicy(proof);
  const kinds = proof === "none" ? [] : proofKinds;
  const presented = presentedCredentials(request);
  if (kinds.includes("wpt") && hasPartOfWit(presented)) return verifyByWit(verifiers, request, presented, options);

  const now = verifiers.now();
  const jwt = verifyToken(verifiers, request, presented, kinds, options, now);
  if (jwt === undefined) throw new VerificationError("TOKEN_MISSING", "a token is required");
  if (proof === "required" && jwt.proof === "none") throw proofRequired("any");
  const { dpop } = jwt;
  if (dpop !== undefined) verifiers.proofs.replays.use(dpop.jkt, `dpop ${dpop.jti}`, now);
  const dpopNonce = dpop?.nextNonce;
  return {
    kind: "jwt-svid",
    step: jwt.step,
    proof: jwt.proof,
    ...(dpopNonce === undefined ? {} : { dpopNonce }),
  };
}

/** A part without the others is refused, and not passed over: somebody took them out, or means to be believed by it. */
function hasPartOfWit({ scheme, wit, transactionToken }: PresentedCredentials): boolean {
  return scheme === "WPT" || wit !== undefined || transactionToken !== undefined;
}

type VerifiedToken = {
  readonly step: VerifiedStep;
  readonly proof: "dpop" | "mtls" | "none";
  readonly dpop: VerifiedDpopProof | undefined;
};

/** @returns `undefined` when there is none of a scheme that is taken. */
function verifyToken(
  verifiers: CredentialVerifiers,
  request: PresentedRequest,
  { scheme, token, dpop }: PresentedCredentials,
  kinds: readonly ProofKind[],
  options: RequestOptions,
  now: UnixSeconds,
): VerifiedToken | undefined {
  if (token === undefined || scheme === "WPT" || (scheme === "DPoP" && !kinds.includes("dpop"))) return undefined;
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
