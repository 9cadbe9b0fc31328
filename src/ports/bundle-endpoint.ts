import type { FederationRelationship } from "../domain/federation.ts";

/** Where foreign bundles come from. Whoever sent what it gives is who was asked; more is not certain of it. */
export type BundleEndpoint = {
  /**
   * Asks the endpoint of a relationship for the bundle, once it has shown by the relationship's profile that it is the
   * one: before that nothing is asked.
   *
   * @param options.spiffeAuthorities - CA certificates, DER, of the trust domain of the endpoint's SPIFFE ID, to which its
   *   certificate is held. Not looked at where the web's CAs vouch for it.
   * @param options.signal - gives up when aborted.
   * @returns the document, not parsed, at most `LIMITS.foreignBundleBytesMax`
   * @throws BrokerError NOT_SERVING, with a message for operators; nothing else
   */
  fetchBundle(
    relationship: FederationRelationship,
    options: { readonly spiffeAuthorities: readonly Uint8Array[]; readonly signal: AbortSignal },
  ): Promise<string>;
};
