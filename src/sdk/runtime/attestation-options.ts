/** How a runtime that no workload endpoint reaches gets its X.509-SVID: by evidence, at the attestation endpoint. */
export type AttestationOptions = {
  /** `host:port` of the attestation endpoint. */
  readonly address: string;
  readonly trust: AttestationTrust;
  readonly evidence: AttestationEvidence;
  /** `kind/name` of the registration entry, e.g. `runtime/worker`. Needed where the evidence matches several. */
  readonly entry?: string | undefined;
};

/** By what the broker is known there before anything is known of it. */
export type AttestationTrust =
  /**
   * It shows its own X.509-SVID: that of the broker of this trust domain, by this bundle. PEM, or a SPIFFE bundle in JSON;
   * a file is read whenever there is no newer bundle than the one in it.
   */
  | { readonly trustDomain: string; readonly bundle: string }
  | { readonly trustDomain: string; readonly bundleFile: string }
  /** It shows a certificate for its name, by these CAs. Absent `roots`: the public ones. Absent `serverName`: the host. */
  | { readonly serverName?: string | undefined; readonly roots?: string | undefined };

/** What proves which registration entry this runtime is. */
export type AttestationEvidence =
  /** Asked for every time: a token of an issuer that the broker trusts, for its audience. */
  | { readonly oidc: () => Promise<string> | string }
  | { readonly oidcTokenFile: string }
  /** Good once: from then on the SVID is renewed at the broker endpoint, before it ends. */
  | { readonly joinToken: string }
  | { readonly joinTokenFile: string }
  /** A certificate of a CA that the broker knows, those between it and its root behind it, and its key. PEM. */
  | { readonly x509pop: { readonly certificateChain: string; readonly privateKey: string } };
