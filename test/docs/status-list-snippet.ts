// A verifier that hears of revocations by status lists, for the documentation; run by revocation-example.test.ts.
import { createVerifier, type TlsSvid } from "stint-sdk/verifier";

/** The same by security events. */
export function pollingVerifier(resource: string, issuer: string, svid: () => Promise<TlsSvid>) {
  // #region poll
  const verifier = createVerifier({
    audiences: [resource],
    // `svid` gives the verifier's own X.509-SVID and key as they are now, PEM; it is called for each request.
    revocation: { from: "poll", issuer, trustDomain: "example.org", svid },
  });
  // #endregion
  return verifier;
}

/** What an HTTP service does with its requests, where there is no socket of the broker. */
export async function serviceBy(resource: string, issuer: string) {
  // #region create
  const verifier = createVerifier({
    audiences: [resource],
    revocation: { from: "status-list", issuer, trustDomain: "example.org" },
  });
  await verifier.ready();
  // #endregion
  return {
    verifier,
    async answer(token: string, work: (signal: AbortSignal) => Promise<string>) {
      // #region verify
      await verifier.learn(token); // its list, where it is not at hand; a guard does this itself
      const verified = verifier.verify(token);
      verifier.authorize(verified, { tool: "search", actions: ["read"], datatypes: ["internal"] });
      using watched = verifier.signalFor(verified); // aborts within a refresh of the list
      const result = await work(watched.signal);
      // #endregion
      return `${result} for ${verified.step.runId}`;
    },
  };
}
