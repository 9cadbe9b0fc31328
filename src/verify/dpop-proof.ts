import type { JsonObject } from "../domain/strict-json.ts";
import { addSeconds, type UnixSeconds } from "../domain/time.ts";
import { type Jws, parseJws, typedClaimsOf } from "./compact-jws.ts";
import type { DpopNonces } from "./dpop-nonce.ts";
import { verifySignature } from "./jws-signature.ts";
import { type ProofKey, proofKeyOf, sha256Of } from "./proof-key.ts";
import { checkProofBytes, proofIdOf, proofInvalid } from "./proof-text.ts";
import { isInstant } from "./registered-claims.ts";
import { normalizeTargetUri, withoutQuery } from "./target-uri.ts";
import { VerificationError } from "./verification-error.ts";

/** A DPoP proof taken apart; it is not shown yet that its sender has the key. */
export type DpopProof = ProofKey & { readonly jws: Jws; readonly claims: JsonObject };

/** The request that a proof came with, and what is asked of the proof. */
export type DpopExpectations = {
  readonly method: string;
  /** As the client wrote it; query and fragment are passed over. */
  readonly url: string;
  /** The access token, as it was presented. */
  readonly token: string;
  readonly now: UnixSeconds;
  /** How far in the past `iat` may be. */
  readonly ageSecondsMax: number;
  /** How far in the future. Absent: `DPOP_AHEAD_SECONDS`. */
  readonly aheadSecondsMax?: number | undefined;
  /** The proof must have one of these nonces. Absent: its nonce is passed over. */
  readonly nonces?: DpopNonces | undefined;
};

/** A proof that holds. It is left to a `ReplayCache` to tell whether the proof was used before. */
export type VerifiedDpopProof = {
  /** The thumbprint of the key that was proved. */
  readonly jkt: string;
  /** The id of this proof; at most 256 characters. */
  readonly jti: string;
  /** The nonce to give out with the answer, where the proof's own nonce will not do for long. */
  readonly nextNonce?: string;
};

const refuse = proofInvalid("DPoP proof");
/** A client's clock may be ahead; less than its proofs may be late, since it costs nothing to send one later. */
export const DPOP_AHEAD_SECONDS = 5;

/**
 * Takes the value of a DPoP header apart.
 *
 * @throws VerificationError PROOF_INVALID
 * @see RFC 9449 section 4.2
 */
export function parseDpopProof(text: string): DpopProof {
  checkProofBytes(text, refuse);
  const jws = parseJws(text, refuse);
  const { algorithm, claims } = typedClaimsOf(jws, "dpop+jwt", refuse);
  return { ...proofKeyOf(jws.header["jwk"], algorithm, refuse), jws, claims };
}

/**
 * Whether a proof shows possession of its key, for this request and this token, now.
 *
 * @throws VerificationError PROOF_INVALID; NONCE_REQUIRED, with the `nonce` to use
 * @see RFC 9449 section 4.3
 */
export function verifyDpopProof(proof: DpopProof, expected: DpopExpectations): VerifiedDpopProof {
  const { claims, jws } = proof;
  if (!verifySignature(proof.algorithm, proof.key, jws.signed, jws.signature)) {
    throw refuse("a signature by the key in its header");
  }
  if (claims["htm"] !== expected.method) throw refuse("htm as the method of the request");
  const target = normalizeTargetUri(withoutQuery(expected.url));
  const { htu } = claims;
  if (typeof htu !== "string" || target === undefined || normalizeTargetUri(htu) !== target) {
    throw refuse("htu as the URI of the request, without query and fragment");
  }
  if (claims["ath"] !== sha256Of(expected.token)) throw refuse("ath as the hash of the access token");
  checkAge(claims["iat"], expected);
  const nextNonce = nextNonceOf(claims["nonce"], expected);
  return {
    jkt: proof.jkt,
    jti: proofIdOf(claims, refuse),
    ...(nextNonce === undefined ? {} : { nextNonce }),
  };
}

function checkAge(issuedAt: unknown, expected: DpopExpectations): void {
  const { now, ageSecondsMax, aheadSecondsMax = DPOP_AHEAD_SECONDS } = expected;
  if (!isInstant(issuedAt)) throw refuse("iat as whole seconds since 1970");
  // Written as "within", so that a clock that is not a number refuses.
  if (!(now <= addSeconds(issuedAt, ageSecondsMax))) throw refuse("one that was made just now; this one is old");
  if (!(now >= addSeconds(issuedAt, -aheadSecondsMax))) throw refuse("one that was made just now; its iat is ahead");
}

function nextNonceOf(nonce: unknown, { nonces, now }: DpopExpectations): string | undefined {
  if (nonces === undefined) return undefined;
  const known = typeof nonce === "string" ? nonces.judge(nonce, now) : "unknown";
  if (known === "current") return undefined;
  const current = nonces.current(now);
  if (known === "previous") return current;
  throw new VerificationError("NONCE_REQUIRED", "the DPoP proof must have a nonce of this server", { nonce: current });
}

/** For how many seconds a proof can be presented at most; for as long it must be remembered. */
export function dpopProofSeconds(ageSecondsMax: number, aheadSecondsMax = DPOP_AHEAD_SECONDS): number {
  return ageSecondsMax + aheadSecondsMax;
}
