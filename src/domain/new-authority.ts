import type { Authority, KeyFamily } from "./authority.ts";
import { authorityIdOf } from "./public-key.ts";
import type { TrustDomain } from "./spiffe-id.ts";
import type { UnixSeconds } from "./time.ts";
import { authorityCertificate, signedCertificate } from "./x509-profile.ts";

/**
 * The authority of a key that was just made: active, and for X.509 with its self-signed certificate.
 *
 * @param facts.publicKey - SubjectPublicKeyInfo, DER.
 * @param facts.serialNumber - of the certificate; 16 random bytes, positive.
 * @param sign - ECDSA with SHA-256 by the new key, DER-encoded.
 */
export function newAuthority(
  facts: {
    readonly family: KeyFamily;
    readonly publicKey: Uint8Array;
    readonly trustDomain: TrustDomain;
    readonly serialNumber: Uint8Array;
    readonly notBefore: UnixSeconds;
    readonly expiresAt: UnixSeconds;
  },
  sign: (toBeSigned: Uint8Array) => Uint8Array,
): Authority {
  const { family, publicKey, notBefore, expiresAt } = facts;
  const authority = {
    authorityId: authorityIdOf(publicKey),
    family,
    state: "active",
    publicKey,
    notBefore,
    expiresAt,
  } as const;
  if (family !== "x509-svid") return authority;
  const toBeSigned = authorityCertificate(facts);
  return { ...authority, certificate: signedCertificate(toBeSigned, sign(toBeSigned)) };
}
