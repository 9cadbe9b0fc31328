import { LIMITS } from "../domain/limits.ts";
import { isObject, type JsonObject } from "../domain/strict-json.ts";
import { addSeconds, type UnixSeconds } from "../domain/time.ts";
import { parseJws, typedClaimsOf } from "./compact-jws.ts";
import { verifySignature } from "./jws-signature.ts";
import { type ProofKey, sha256Of } from "./proof-key.ts";
import { checkProofBytes, proofIdOf, proofInvalid } from "./proof-text.ts";
import { isInstant } from "./registered-claims.ts";
import { normalizeTargetUri, withoutQuery } from "./target-uri.ts";

/** The request that a proof came with. */
export type WptExpectations = {
  /** The key in the WIT. */
  readonly key: ProofKey;
  /** As the client wrote it; query and fragment are passed over. */
  readonly url: string;
  /** The tokens of the request, as they were presented. */
  readonly wit: string;
  readonly transactionToken?: string | undefined;
  readonly now: UnixSeconds;
  /** How far ahead `exp` may be. */
  readonly secondsMax: number;
};

const refuse = proofInvalid("Workload Proof Token");

/**
 * Whether a Workload Proof Token shows possession of the WIT's key, for this request and its tokens, now.
 *
 * @param text - what stands after `WPT` in an `Authorization` header.
 * @returns the proof's `jti`, by which a `ReplayCache` tells whether the proof was used before.
 * @throws VerificationError PROOF_INVALID
 * @see draft-ietf-wimse-wpt, section Workload Proof Token
 */
export function verifyWorkloadProofToken(text: string, expected: WptExpectations): { readonly jti: string } {
  checkProofBytes(text, refuse);
  const jws = parseJws(text, refuse);
  const { algorithm, claims } = typedClaimsOf(jws, "wpt+jwt", refuse);
  const { key } = expected;
  if (algorithm !== key.algorithm) throw refuse("the alg of the key of the WIT");
  if (!verifySignature(key.algorithm, key.key, jws.signed, jws.signature)) {
    throw refuse("a signature by the key of the WIT");
  }
  const target = normalizeTargetUri(withoutQuery(expected.url));
  const { aud } = claims;
  if (typeof aud !== "string" || target === undefined || normalizeTargetUri(aud) !== target) {
    throw refuse("aud as the URI of the request, without query and fragment");
  }
  checkExpiry(claims["exp"], expected);
  checkHashes(claims, expected);
  return { jti: proofIdOf(claims, refuse) };
}

function checkExpiry(expiresAt: unknown, { now, secondsMax }: WptExpectations): void {
  if (!isInstant(expiresAt)) throw refuse("exp as whole seconds since 1970");
  const leeway = LIMITS.verifierLeewaySeconds;
  if (!(now < addSeconds(expiresAt, leeway))) throw refuse("one that has not expired");
  if (!(expiresAt <= addSeconds(now, secondsMax + leeway))) throw refuse(`exp at most ${secondsMax} seconds ahead`);
}

/** The proof names every token of the request and no other, so that nobody can put a token in or take one out. */
function checkHashes(claims: JsonObject, { wit, transactionToken }: WptExpectations): void {
  const bound = { wth: wit, tth: transactionToken };
  for (const [name, token] of Object.entries(bound)) {
    if (claims[name] !== (token === undefined ? undefined : sha256Of(token))) {
      throw refuse(`${name} as the hash of that token, if it is there`);
    }
  }
  // What earlier drafts had for an access token: there is none beside a proof that stands in `Authorization` itself.
  if (Object.hasOwn(claims, "ath")) throw refuse("no ath");
  const { oth = {} } = claims;
  if (!isObject(oth) || Object.keys(oth).length > 0) throw refuse("no oth but of tokens that are known here");
}

/** For how many seconds a proof can be presented at most; for as long it must be remembered. */
export function workloadProofSeconds(secondsMax: number): number {
  return secondsMax + 2 * LIMITS.verifierLeewaySeconds;
}
