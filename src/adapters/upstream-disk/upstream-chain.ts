import type { X509Certificate } from "node:crypto";
import { readCertificate } from "../../domain/certificate.ts";
import { TAG } from "../../domain/der.ts";
import { DerError, elementsOf, parseDer, positiveOf } from "../../domain/der-reader.ts";
import { BrokerError } from "../../domain/errors.ts";
import type { UnixSeconds } from "../../domain/time.ts";

const BASIC_CONSTRAINTS = "2.5.29.19";

/**
 * Checks that a CA of ours below this chain would be accepted. Each certificate is issued by the next, the last by
 * itself; each is valid now and of a CA that may sign certificates, with room for the CAs below it. Name constraints
 * are left to verifiers.
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
