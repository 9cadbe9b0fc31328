// Proof of possession on both sides, for the documentation; run by proof-snippets.test.ts.
import { createDpopKey, type Step } from "stint-sdk/runtime";
import type { PresentedRequest, Verifier } from "stint-sdk/verifier";

/** What an HTTP service does with a request that may bring any form of credential. */
export function identify(verifier: Verifier, request: PresentedRequest): string {
  // #region verify-request
  // method, url as the client wrote it, headers (Node's `rawHeaders`), and of a TLS connection the client's certificate
  const verified = verifier.verifyRequest(request, { proof: "required" });
  if (verified.kind === "wit-svid") return `${verified.workload.spiffeId} ${verified.proof}`; // says who, and grants nothing
  return `${verified.step.spiffeId} ${verified.proof}`; // what the step may do: verifier.authorize(verified.step, …)
  // #endregion
}

/** A request by hand, with a proof. */
export async function ask(step: Step, url: string): Promise<Response> {
  // #region proof
  const key = await createDpopKey();
  const svid = await step.jwtSvid(url, { boundTo: key });
  const proof = key.proof({ method: "POST", url, token: svid.svid() });
  const headers = { authorization: svid.authorization(), dpop: proof };
  // #endregion
  return fetch(url, { method: "POST", headers });
}

/** The same with a WIT-SVID. */
export async function askWithWit(step: Step, url: string): Promise<Response> {
  // #region wit
  const wit = await step.witSvid();
  const txn = await step.txnToken(url); // what the step may do there
  const headers = {
    authorization: wit.authorization({ url, txnToken: txn.token() }), // WPT and a proof, of this one request
    "workload-identity-token": wit.svid(),
    "txn-token": txn.token(),
  };
  // #endregion
  return fetch(url, { method: "POST", headers });
}
