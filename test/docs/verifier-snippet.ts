// A verifier outside of MCP, for the documentation; run by examples.test.ts.
import type { Verifier } from "stint-sdk/verifier";

/** What an HTTP service does with a request. */
export async function answer(verifier: Verifier, token: string, work: (signal: AbortSignal) => Promise<string>) {
  // #region verify
  const verified = verifier.verify(token); // signature, audience, times, revocations; throws VerificationError
  verifier.authorize(verified, { tool: "search", actions: ["read"], datatypes: ["internal"] });
  using watched = verifier.signalFor(verified); // aborts when the step ends
  const result = await work(watched.signal);
  // #endregion
  return `${result} for ${verified.step.runId}`;
}
