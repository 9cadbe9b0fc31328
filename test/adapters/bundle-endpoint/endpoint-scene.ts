import { once } from "node:events";
import type { IncomingMessage, RequestListener } from "node:http";
import { createServer, type ServerOptions } from "node:https";
import type { AddressInfo, Server, Socket } from "node:net";
import { onTestFinished } from "vitest";
import { httpsBundleEndpoint } from "../../../src/adapters/bundle-endpoint/bundle-endpoint.ts";
import type { BundleEndpointProfile, FederationRelationship } from "../../../src/domain/federation.ts";
import { parseSpiffeId, parseTrustDomain } from "../../../src/domain/spiffe-id.ts";
import { addSeconds, type UnixSeconds } from "../../../src/domain/time.ts";
import { virtualClock } from "../../memory/virtual-clock.ts";
import {
  altNames,
  authority,
  type Changes,
  dns,
  type Forged,
  leafOf,
  pemOf,
  uri,
} from "../../verify/certificate-forge.ts";
import { NOW } from "../../verify/token-forge.ts";

// Bundle endpoints as there are, and as there should be none: real HTTPS on loopback.

const TRUST_DOMAIN = parseTrustDomain("foreign.example");
export const ENDPOINT_ID = parseSpiffeId("spiffe://foreign.example/bundle-server");
export const WEB: BundleEndpointProfile = { kind: "https_web" };
export const SPIFFE: BundleEndpointProfile = { kind: "https_spiffe", endpointSpiffeId: ENDPOINT_ID };

const HOUR_SECONDS = 3_600;
const machineNow = Math.floor(Date.now() / 1_000) as UnixSeconds;
/** OpenSSL goes by the machine's clock. */
export const ofToday = {
  notBefore: addSeconds(machineNow, -HOUR_SECONDS),
  notAfter: addSeconds(machineNow, HOUR_SECONDS),
};

/** Of the trust domain, and one that the endpoint's clients take for one of the web's. */
export const spiffeAuthority = authority();
export const webAuthority = authority(ofToday);

export const svidFor = (spiffeId: string, issuer = spiffeAuthority, more: Changes = {}): Forged =>
  leafOf(issuer, { ...more, extensions: { san: altNames([uri(spiffeId)]), ...more.extensions } });

export const webCertificateFor = (host: string, issuer = webAuthority, more: Changes = {}): Forged =>
  leafOf(issuer, { ...ofToday, ...more, extensions: { san: altNames([dns(host)]), ...more.extensions } });

/** What a server shows: its certificate first, with its key. */
export const shown = (...chain: readonly [Forged, ...Forged[]]): Pick<ServerOptions, "cert" | "key"> => ({
  cert: chain.map(({ der }) => pemOf("CERTIFICATE", der)).join(""),
  key: chain[0].privateKey.export({ type: "pkcs8", format: "pem" }),
});

/** Where a server listens until the test is over. */
export async function listening(server: Server): Promise<number> {
  server.listen({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Waits until a connection is closed, with or without an error. */
export async function closed(socket: Socket): Promise<void> {
  if (socket.closed) return;
  await new Promise((resolve) => void socket.once("close", resolve).on("error", () => undefined));
}

/** An HTTPS server that answers so, and keeps what it was asked. */
export async function endpoint(
  answer: RequestListener,
  options: ServerOptions = shown(svidFor(ENDPOINT_ID)),
): Promise<{
  readonly url: string;
  readonly asked: IncomingMessage[];
  readonly server: ReturnType<typeof createServer>;
}> {
  const asked: IncomingMessage[] = [];
  const server = createServer(options, (request, response) => {
    asked.push(request);
    answer(request, response);
  });
  const port = await listening(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `https://localhost:${port}/bundle`, asked, server };
}

/** Whoever asks, at `NOW` by a clock that stands still. */
export function asker() {
  const clock = virtualClock(NOW);
  const client = httpsBundleEndpoint({ clock, webAuthorities: () => [pemOf("CERTIFICATE", webAuthority.der)] });
  return {
    clock,
    fetch(
      url: string,
      {
        profile = SPIFFE,
        authorities = [spiffeAuthority],
        signal = new AbortController().signal,
      }: { profile?: BundleEndpointProfile; authorities?: readonly Forged[]; signal?: AbortSignal } = {},
    ): Promise<string> {
      const relationship: FederationRelationship = { trustDomain: TRUST_DOMAIN, bundleEndpointUrl: url, profile };
      return client.fetchBundle(relationship, { spiffeAuthorities: authorities.map(({ der }) => der), signal });
    },
  };
}

/** What a fetch is refused with, in the words of which all begin so. */
export const refusal = (what: string) => ({ code: "NOT_SERVING", message: `the bundle endpoint ${what}` });
