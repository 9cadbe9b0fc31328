import type { Authority } from "../../domain/authority.ts";
import { issuerOf, type LeafFacts, signedCertificate } from "../../domain/x509-profile.ts";
import type { SvidFacts, SvidFormat } from "../../ports/svid-format.ts";
import { leafTemplate } from "./leaf-template.ts";

/**
 * X.509-SVIDs: `toBeSigned` is the TBSCertificate, `assemble` gives the certificate, both DER.
 *
 * @see contracts section 2; the profile is in `domain/x509-profile.ts`
 */
export function x509DerFormat(): SvidFormat {
  // Keyed by the authority object, not by its id, so that a template can't outlive its authority or serve another.
  const templates = new WeakMap<Authority, (facts: LeafFacts) => Uint8Array>();

  function templateOf(authority: Authority): (facts: LeafFacts) => Uint8Array {
    const known = templates.get(authority);
    if (known !== undefined) return known;
    if (authority.certificate === undefined) throw new TypeError("an X.509 authority without its certificate");
    const template = leafTemplate(issuerOf(authority.certificate));
    templates.set(authority, template);
    return template;
  }

  return {
    kind: "x509-svid",
    toBeSigned: (facts) => templateOf(facts.authority)(leafFactsOf(facts)),
    assemble: signedCertificate,
  };
}

function leafFactsOf(facts: SvidFacts): LeafFacts {
  const { serialNumber, publicKey, notBefore, expiresAt, spiffeId } = facts;
  if (serialNumber === undefined || publicKey === undefined) throw new TypeError("an X.509-SVID without serial or key");
  return { serialNumber: Buffer.from(serialNumber, "hex"), notBefore, expiresAt, spiffeId, publicKey };
}
