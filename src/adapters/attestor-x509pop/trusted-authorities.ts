import { KEY_PURPOSE } from "../../domain/certificate-extensions.ts";
import { BrokerError } from "../../domain/errors.ts";
import { certificatesInPem } from "../../domain/pem.ts";
import type { SignedCertificate } from "../../domain/signed-certificate.ts";
import { faultOfIssuer, parseCertificate } from "../../verify/path-certificate.ts";
import { VerificationError } from "../../verify/verification-error.ts";

/**
 * The CA certificates of a PEM file. Each has to be of an authority that may issue certificates for clients. A wrong
 * certificate is found at the start, and not only when everybody whom it vouches for is refused.
 *
 * @throws BrokerError NOT_SERVING, saying in `detail` which certificate is wrong, and why
 */
export function trustedAuthorities(pem: string): readonly SignedCertificate[] {
  const authorities = certificatesInPem(pem).map((der, index) => {
    try {
      return authorityOf(der);
    } catch (thrown) {
      if (!(thrown instanceof VerificationError)) throw thrown;
      throw unusable(`certificate ${index + 1}: ${thrown.message}`);
    }
  });
  if (authorities.length === 0) throw unusable("the file has no certificate");
  return authorities;
}

function authorityOf(der: Uint8Array): SignedCertificate {
  const certificate = parseCertificate(der);
  const fault = faultOfIssuer(certificate, [KEY_PURPOSE.clientAuth]);
  if (fault !== undefined) throw fault;
  return certificate;
}

function unusable(detail: string): BrokerError {
  return new BrokerError("NOT_SERVING", "the CA certificates of the x509pop attestor can't be used", { detail });
}
