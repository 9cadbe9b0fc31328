import type { FederationRelationship } from "../domain/federation.ts";

/** Where foreign bundles come from. Only the sender of a document is certain: the endpoint that was asked. */
export type BundleEndpoint = {
  /**
   * Asks the endpoint of a relationship for the bundle. Nothing is asked before the endpoint has proved its identity as
   * the relationship's profile says.
   *
   * @param options.spiffeAuthorities - CA certificates, DER, of the trust domain of the endpoint's SPIFFE ID, which
   *   verify the endpoint's certificate. Not looked at where the web's CAs vouch for the endpoint.
   * @param options.signal - gives up when aborted.
   * @returns the document, not parsed, at most `LIMITS.foreignBundleBytesMax`
   * @throws BrokerError NOT_SERVING, with a message for operators; nothing else
   */
  fetchBundle(
    relationship: FederationRelationship,
    options: { readonly spiffeAuthorities: readonly Uint8Array[]; readonly signal: AbortSignal },
  ): Promise<string>;
};
