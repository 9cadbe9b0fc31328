import { createPrivateKey, type KeyObject, sign, X509Certificate } from "node:crypto";
import type { Authority } from "../../domain/authority.ts";
import { newSerialNumber, SERIAL_NUMBER_RANDOM_BYTES } from "../../domain/ids.ts";
import { certificatesInPem } from "../../domain/pem.ts";
import { checkPublicKey } from "../../domain/public-key.ts";
import type { TrustDomain } from "../../domain/spiffe-id.ts";
import type { UnixSeconds } from "../../domain/time.ts";
import {
  authorityCertificate,
  issuerOf,
  signedCertificate,
  UPSTREAM_ALGORITHMS,
  type UpstreamIssuer,
} from "../../domain/x509-profile.ts";
import type { Randomness } from "../../ports/randomness.ts";
import type { UpstreamAuthority } from "../../ports/upstream-authority.ts";
import { checkUpstreamChain, unusable } from "./upstream-chain.ts";

const HASH_OF = { "P-256": "sha256", "P-384": "sha384", rsa: "sha256" } as const;

export type DiskUpstream = UpstreamAuthority & {
  /** When the CA's own certificate began. */
  readonly notBefore: UnixSeconds;
};

/**
 * An upstream CA whose certificates and private key are at hand.
 *
 * @param options.certificates - PEM: the CA's own certificate first, then each one's issuer, the self-signed root last.
 * @param options.privateKey - PEM, of the first certificate.
 * @throws BrokerError AUTHORITY_UNAVAILABLE, saying in `detail` what is wrong with the certificates or the key
 */
export function openDiskUpstream(options: {
  readonly certificates: string;
  readonly privateKey: string | Buffer;
  readonly trustDomain: TrustDomain;
  readonly randomness: Randomness;
  readonly now: UnixSeconds;
}): DiskUpstream {
  const chain = certificatesIn(options.certificates);
  const [issuer] = chain;
  if (issuer === undefined) throw unusable("the certificate file has none");
  const expiresAt = checkUpstreamChain(chain, options.now);
  const key = keyIn(options.privateKey);
  if (!issuer.checkPrivateKey(key)) throw unusable("the private key is not that of the first certificate");

  const type = keyTypeOf(issuer);
  const upstream = issuerFactsOf(issuer, UPSTREAM_ALGORITHMS[type]);
  const above = chain.map(({ raw }) => new Uint8Array(raw));

  return {
    notBefore: Math.floor(issuer.validFromDate.getTime() / 1_000) as UnixSeconds,
    expiresAt,
    async certify(authority: Authority): Promise<Authority> {
      const serialNumber = newSerialNumber(options.randomness.bytes(SERIAL_NUMBER_RANDOM_BYTES));
      const toBeSigned = authorityCertificate({
        ...authority,
        trustDomain: options.trustDomain,
        serialNumber: Buffer.from(serialNumber, "hex"),
        upstream,
      });
      const signature = sign(HASH_OF[type], toBeSigned, key);
      return {
        ...authority,
        certificate: signedCertificate(toBeSigned, signature, upstream.algorithm),
        upstream: above,
      };
    },
  };
}

function certificatesIn(pem: string): readonly X509Certificate[] {
  try {
    return certificatesInPem(pem).map((der) => new X509Certificate(der));
  } catch {
    throw unusable("the certificate file holds something that is no certificate");
  }
}

function keyIn(pem: string | Buffer): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // The reason may quote the key.
    throw unusable("the private key can't be read");
  }
}

function keyTypeOf({ publicKey }: X509Certificate): keyof typeof UPSTREAM_ALGORITHMS {
  try {
    if (checkPublicKey(publicKey.export({ type: "spki", format: "der" })) === "rsa") return "rsa";
  } catch {
    throw unusable("the CA's key is neither P-256 nor P-384 nor RSA of 2048 bits or more");
  }
  return publicKey.asymmetricKeyDetails?.namedCurve === "secp384r1" ? "P-384" : "P-256";
}

function issuerFactsOf({ raw }: X509Certificate, algorithm: Uint8Array): UpstreamIssuer {
  try {
    return { ...issuerOf(raw), algorithm };
  } catch {
    throw unusable("the CA's certificate has no subject key identifier, or can't be read");
  }
}
