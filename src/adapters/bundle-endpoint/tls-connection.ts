import { once } from "node:events";
import { isIP } from "node:net";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import type { BundleEndpointProfile } from "../../domain/federation.ts";
import { trustDomainOf } from "../../domain/spiffe-id.ts";
import type { UnixSeconds } from "../../domain/time.ts";
import { presentedChain } from "../../verify/presented-chain.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { verifyX509Svid, x509AuthoritiesOf } from "../../verify/x509-svid.ts";
import { codeOf, type EndpointFailure, endpointFailure } from "./endpoint-failure.ts";

/** What an endpoint is recognised by at this moment. */
export type Recognition = {
  readonly profile: BundleEndpointProfile;
  /** CA certificates of the trust domain of the endpoint's SPIFFE ID, DER. */
  readonly spiffeAuthorities: readonly Uint8Array[];
  /** CA certificates of the web, PEM; absent: those that Node.js has. */
  readonly webAuthorities?: readonly string[] | undefined;
  readonly now: UnixSeconds;
};

const HTTPS_PORT = 443;

/** Opens a connection. Nothing may be sent on it before `recognised` resolves. */
export function openTls(url: URL, { profile, webAuthorities }: Recognition): TLSSocket {
  // An address of IPv6 stands in brackets in a URL.
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const web: ConnectionOptions = {
    // Stated here, since an environment variable could change the default.
    rejectUnauthorized: true,
    ...(webAuthorities === undefined ? {} : { ca: [...webAuthorities] }),
  };
  // `recognised` judges the certificate: OpenSSL knows neither SPIFFE IDs nor the authorities that count for a SPIFFE
  // ID.
  const spiffe: ConnectionOptions = { rejectUnauthorized: false, ca: [] };
  return connect({
    host,
    port: url.port === "" ? HTTPS_PORT : Number(url.port),
    // Names the certificate that the server is to show; an IP address must not stand here. RFC 6066 section 3.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    minVersion: "TLSv1.2",
    ALPNProtocols: ["http/1.1"],
    ...(profile.kind === "https_web" ? web : spiffe),
  });
}

/**
 * Waits until the endpoint has shown who it is.
 *
 * @throws BrokerError NOT_SERVING when the endpoint is not the expected one, can't be reached, or speaks no TLS 1.2 or
 *   later
 */
export async function recognised(socket: TLSSocket, recognition: Recognition): Promise<void> {
  let isConnected = false;
  socket.once("connect", () => {
    isConnected = true;
  });
  try {
    await once(socket, "secureConnect");
  } catch (thrown) {
    if (!isConnected) throw endpointFailure("can't be reached", thrown);
    // `authorizationError` is set only where a certificate was looked at and refused.
    const isRefused = typeof socket.authorizationError === "string";
    throw endpointFailure(isRefused ? ofWebCertificate(thrown) : "and the broker agree on no TLS 1.2 or later", thrown);
  }
  if (recognition.profile.kind === "https_spiffe") checkSvid(socket, recognition, recognition.profile);
}

function ofWebCertificate(thrown: unknown): EndpointFailure {
  switch (thrown instanceof Error ? codeOf(thrown) : undefined) {
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return "shows a certificate for another host";
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return "shows a certificate that is not valid now";
    default:
      return "shows a certificate that none of the web's authorities issued";
  }
}

/** @see SPIFFE Federation section 5.2.2.4 */
function checkSvid(
  socket: TLSSocket,
  { spiffeAuthorities, now }: Recognition,
  { endpointSpiffeId }: Extract<BundleEndpointProfile, { kind: "https_spiffe" }>,
): void {
  const trustDomain = trustDomainOf(endpointSpiffeId);
  const bundles = new Map([[trustDomain, { trustDomain, authorities: x509AuthoritiesOf(spiffeAuthorities) }]]);
  let shown: string;
  try {
    shown = verifyX509Svid(presentedChain(socket.getPeerX509Certificate()), { bundles, now }).spiffeId;
  } catch (thrown) {
    if (!(thrown instanceof VerificationError)) throw thrown;
    const isOver = thrown.code === "EXPIRED" || thrown.code === "NOT_YET_VALID";
    throw endpointFailure(
      isOver ? "shows a certificate that is not valid now" : "shows a certificate that its trust domain did not issue",
      thrown,
    );
  }
  if (shown !== endpointSpiffeId) {
    throw endpointFailure(`shows a certificate that is not for ${endpointSpiffeId}`, `it is for ${shown}`);
  }
}
