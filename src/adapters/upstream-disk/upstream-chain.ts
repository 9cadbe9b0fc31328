import type { X509Certificate } from "node:crypto";
import { readCertificate } from "../../domain/certificate.ts";
import { KEY_PURPOSE } from "../../domain/certificate-extensions.ts";
import { TAG } from "../../domain/der.ts";
import { DerError, elementsOf, parseDer, positiveOf } from "../../domain/der-reader.ts";
import { BrokerError } from "../../domain/errors.ts";
import { readSignedCertificate, type SignedCertificate } from "../../domain/signed-certificate.ts";
import type { UnixSeconds } from "../../domain/time.ts";
import { type Fault, faultOf, faultOfIssued, faultOfIssuer, faultOfSignature } from "../../verify/path-certificate.ts";

const BASIC_CONSTRAINTS = "2.5.29.19";

/**
 * Checks that a CA of ours below this chain would be accepted. Each certificate is issued by the next, the last by
 * itself; each is valid now and of a CA that may sign certificates, with room for the CAs below it. And each is looked
 * at as this broker's own verifiers do: what they refuse later would be refused with everything that it had issued.
 * Whether our names are within name constraints is left to verifiers.
 *
 * @param chain - the CA that is to certify ours first, the root last; not empty.
 * @returns when the first of the certificates ends, exclusive.
 * @throws BrokerError AUTHORITY_UNAVAILABLE, saying in `detail` what is wrong
 * @see RFC 5280 section 6.1
 */
export function checkUpstreamChain(chain: readonly X509Certificate[], now: UnixSeconds): UnixSeconds {
  chain.forEach((certificate, index) => {
    const place = `certificate ${index + 1}`;
    // The last certificate has to be its own issuer.
    const issuer = chain[index + 1] ?? certificate;
    if (!certificate.checkIssued(issuer) || !certificate.verify(issuer.publicKey)) {
      throw unusable(
        issuer === certificate
          ? `${place} is the last and not self-signed: the file ends with the root`
          : `${place} is not issued by the next`,
      );
    }
    if (secondsOf(certificate.validFromDate) > now || endOf(certificate) <= now) {
      throw unusable(`${place} is not valid now`);
    }
    // CAs below this certificate: ours, and those before it in the chain.
    const problem = problemAsIssuer(certificate, index + 1);
    if (problem !== undefined) throw unusable(`${place} ${problem}`);
    const refusal = refusalByVerifiers(certificate, chain[index + 1], now);
    if (refusal !== undefined) throw unusable(`${place} ${refusal}`);
  });
  return Math.min(...chain.map(endOf)) as UnixSeconds;
}

function problemAsIssuer(certificate: X509Certificate, authoritiesBelow: number): string | undefined {
  // For `ca` OpenSSL looks at the key's usage too.
  if (!certificate.ca) return "is not of a CA that may sign certificates";
  try {
    const { extensions } = readCertificate(certificate.raw);
    const pathLength = pathLengthOf(extensions.get(BASIC_CONSTRAINTS));
    return pathLength < authoritiesBelow ? "allows too few CAs below it (pathlen)" : undefined;
  } catch (thrown) {
    if (!(thrown instanceof DerError)) throw thrown;
    return "can't be read";
  }
}

/** @param issuer - absent for the root, whose own signature nobody looks at. */
function refusalByVerifiers(
  { raw }: X509Certificate,
  issuer: X509Certificate | undefined,
  now: UnixSeconds,
): string | undefined {
  try {
    const certificate = readSignedCertificate(raw);
    if (certificate.extensions.keyUsage === undefined) {
      return "has no key usage, and verifiers ask for keyCertSign (with openssl: -addext keyUsage=critical,keyCertSign,cRLSign)";
    }
    const fault =
      faultOf(certificate, now) ??
      faultOfIssuer(certificate, [KEY_PURPOSE.serverAuth, KEY_PURPOSE.clientAuth]) ??
      (issuer === undefined ? undefined : faultAsIssued(certificate, readSignedCertificate(issuer.raw)));
    return fault === undefined ? undefined : `would be refused by verifiers: ${fault.message}`;
  } catch (thrown) {
    if (!(thrown instanceof DerError)) throw thrown;
    return `can't be read by verifiers: ${thrown.message}`;
  }
}

function faultAsIssued(certificate: SignedCertificate, issuer: SignedCertificate): Fault {
  return faultOfIssued(certificate) ?? faultOfSignature(certificate, issuer);
}

/** How many CAs may stand between this CA and a leaf; without a constraint any number. */
function pathLengthOf(value: Uint8Array | undefined): number {
  if (value === undefined) return Number.POSITIVE_INFINITY;
  const length = elementsOf(parseDer(value, TAG.sequence)).find(({ tag }) => tag === TAG.integer);
  if (length === undefined) return Number.POSITIVE_INFINITY;
  if (length.content.length === 1 && length.content[0] === 0) return 0;
  return positiveOf(length).reduce((sum, octet) => sum * 0x100 + octet, 0);
}

/** X.509 counts the last second as valid. */
function endOf({ validToDate }: X509Certificate): number {
  return secondsOf(validToDate) + 1;
}

function secondsOf(date: Date): number {
  return Math.floor(date.getTime() / 1_000);
}

/** An error at the start; `detail` says what stands in the way, for the operator alone. */
export function unusable(detail: string): BrokerError {
  return new BrokerError("AUTHORITY_UNAVAILABLE", "the upstream authority can't be used", { detail });
}
