import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { parseSpiffeBundle } from "../../domain/bundle.ts";
import { invalidField } from "../../domain/errors.ts";
import { certificatePem } from "../../domain/pem.ts";
import { parseTrustDomain } from "../../domain/spiffe-id.ts";
import type { ServerTrust, TlsIdentity } from "../../wire/channel.ts";
import type { AttestationTrust } from "./attestation-options.ts";
import { serverIdOf } from "./tls-identity.ts";

/**
 * By what the attestation endpoint is known now. A bundle that came with an SVID which is still good is newer than the one
 * this runtime was started with, which may hold keys that were withdrawn since.
 *
 * @throws BrokerError INVALID_FIELD
 */
export async function serverTrustOf(trust: AttestationTrust, held: TlsIdentity | undefined): Promise<ServerTrust> {
  if (!("trustDomain" in trust)) return trust;
  const serverId = serverIdOf(parseTrustDomain(trust.trustDomain, "trust.trustDomain"));
  if (held !== undefined) return { serverId, authorities: held.authorities };
  return { serverId, authorities: authoritiesIn("bundle" in trust ? trust.bundle : await textOf(trust.bundleFile)) };
}

async function textOf(bundleFile: string): Promise<string> {
  try {
    return await readFile(bundleFile, "utf8");
  } catch {
    throw invalidField("trust.bundleFile", "a file that can be read");
  }
}

/** CA certificates in PEM, of either form of bundle. */
function authoritiesIn(bundle: string): string {
  const text = bundle.trim();
  if (text.startsWith("{")) {
    const { x509 } = parseSpiffeBundle(text, "trust.bundle");
    if (x509.length === 0) throw invalidField("trust.bundle", "one with CA certificates of X.509-SVIDs");
    return x509.map(certificatePem).join("");
  }
  if (!isPem(text)) throw invalidField("trust.bundle", "CA certificates in PEM, or a SPIFFE bundle");
  return text;
}

/** By its first certificate: TLS passes over what is behind it and is none. */
function isPem(text: string): boolean {
  try {
    return new X509Certificate(text).ca;
  } catch {
    return false;
  }
}
