import { VerificationError } from "../../verify/verification-error.ts";
import { verifyWorkloadProofToken } from "../../verify/workload-proof-token.ts";
import type { PresentedCredentials, PresentedRequest } from "./presented-credentials.ts";
import type { CredentialVerifiers, RequestOptions, VerifiedRequest } from "./verified-request.ts";

/**
 * Verifies a request that is authenticated by a WIT-SVID: first the WIT-SVID, then the proof of its key, which covers every
 * token of the request, and only then what the transaction token grants.
 *
 * @throws VerificationError with `credential` in its metadata: such a request is answered with a challenge of its own
 * @see draft-ietf-wimse-wpt, sections Workload Proof Token and Error Conditions
 */
export function verifyByWit(
  verifiers: CredentialVerifiers,
  { url }: PresentedRequest,
  { scheme, token: proof, wit, transactionToken }: PresentedCredentials,
  options: RequestOptions,
): VerifiedRequest {
  const now = verifiers.now();
  return asOfWit(() => {
    if (wit === undefined || proof === undefined || scheme !== "WPT") {
      throw new VerificationError(
        "PROOF_INVALID",
        "expected a WIT-SVID together with its Workload Proof Token as the only authentication",
      );
    }
    const workload = verifiers.witSvid(wit, options);
    const { replays, workloadProofSecondsMax: secondsMax } = verifiers.proofs;
    const key = workload.confirmationKey;
    const { jti } = verifyWorkloadProofToken(proof, { key, url, wit, transactionToken, now, secondsMax });
    const step = transactionToken === undefined ? undefined : verifiers.txnToken(transactionToken, workload, options);
    replays.use(key.jkt, `wpt ${jti}`, now);
    return step === undefined
      ? { kind: "wit-svid", workload, proof: "wpt" }
      : { kind: "txn-token", step, proof: "wpt" };
  });
}

/** Marks what such a request is refused for: it is answered otherwise than one with a token. */
function asOfWit<Value>(verify: () => Value): Value {
  try {
    return verify();
  } catch (thrown) {
    if (!(thrown instanceof VerificationError)) throw thrown;
    throw new VerificationError(thrown.code, thrown.message, { ...thrown.metadata, credential: "wit-svid" });
  }
}
