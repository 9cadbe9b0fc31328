import type { KeyObject } from "node:crypto";
import { certificatePem } from "../../domain/pem.ts";
import type { TlsIdentity } from "../../wire/channel.ts";

/** Where every broker is, in its own trust domain. Contracts section 1. */
const SERVER_PATH = "/stint/server";

/** The SPIFFE ID of the broker of a trust domain. */
export function serverIdOf(trustDomain: string): string {
  return `spiffe://${trustDomain}${SERVER_PATH}`;
}

function trustDomainIn(spiffeId: string): string {
  const [, , trustDomain = ""] = spiffeId.split("/");
  return trustDomain;
}

/** How an X.509-SVID is shown to the broker of its own trust domain. Certificates are DER, leaf first. */
export function tlsIdentityOf(svid: {
  readonly spiffeId: string;
  readonly certificates: readonly Uint8Array[];
  readonly bundle: readonly Uint8Array[];
  readonly privateKey: KeyObject;
}): TlsIdentity {
  return {
    certificateChain: svid.certificates.map(certificatePem).join(""),
    privateKey: svid.privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
    authorities: svid.bundle.map(certificatePem).join(""),
    serverId: serverIdOf(trustDomainIn(svid.spiffeId)),
  };
}
