import type { X509Certificate } from "node:crypto";

/** No SVID chain is longer. */
const CHAIN_CERTIFICATES_MAX = 8;

/**
 * The certificates that the other end of a TLS connection showed, DER, leaf first, each followed by its issuer as far
 * as issuers were shown.
 *
 * @param leaf - what the connection gives as its peer's certificate.
 */
export function presentedChain(leaf: X509Certificate | undefined): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  let certificate = leaf;
  while (certificate !== undefined && chain.length < CHAIN_CERTIFICATES_MAX) {
    const { raw } = certificate;
    // A self-signed certificate is its own issuer.
    if (chain.some((one) => raw.equals(one))) break;
    chain.push(new Uint8Array(raw));
    certificate = certificate.issuerCertificate;
  }
  return chain;
}
