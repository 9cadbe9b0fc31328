import { createPrivateKey } from "node:crypto";
import { listenOnTls, type TlsEndpoint, type TlsEndpointOptions } from "../api/endpoint/tls-endpoint.ts";
import { recordingRefusals } from "../api/grpc/attesting.ts";
import { type ApiPorts, type ApiServer, brokerServer } from "../api/grpc/servers.ts";
import { stopServing } from "../api/grpc/stop-serving.ts";
import { attestSvid } from "../attest/attest-svid.ts";
import type { BrokerEndpointConfig, Config } from "../config/config.ts";
import { refusedIdentity } from "../decide/record-denial.ts";
import { intermediatesOf } from "../domain/authority.ts";
import { BrokerError, denial, errorOf } from "../domain/errors.ts";
import { secondsOf } from "../domain/time.ts";
import type { OwnSvid } from "../issue/own-svid.ts";
import type { Log } from "../ports/log.ts";
import { verifyX509Svid } from "../verify/x509-svid.ts";
import type { Core } from "./core.ts";
import { authorityPems, pemOf, trustedBy } from "./trust.ts";

export type BrokerEndpoints = { readonly servers: readonly ApiServer[]; readonly port: number | undefined };

/**
 * Starts the SPIFFE Broker Endpoint where it is configured: on a unix socket, on TCP, or on both.
 *
 * @param stops - takes what ends it.
 */
export async function startBrokerEndpoint(
  given: {
    readonly core: Core;
    readonly ports: ApiPorts;
    readonly ownSvid: OwnSvid;
    readonly config: Config;
    readonly log: Log;
  },
  stops: (() => Promise<void>)[],
): Promise<BrokerEndpoints> {
  const { broker } = given.config;
  const servers: ApiServer[] = [];
  let port: number | undefined;
  for (const place of broker === undefined ? [] : placesOf(broker)) {
    const { server, endpoint } = await serve(place, given);
    servers.push(server);
    port ??= endpoint.port;
    stops.push(() => stopServing(server.server, endpoint, given.core.clock));
  }
  return { servers, port };
}

function placesOf({ socket, listen }: BrokerEndpointConfig): readonly TlsEndpointOptions["place"][] {
  return [...(socket === undefined ? [] : [socket]), ...(listen === undefined ? [] : [listen])];
}

async function serve(
  place: TlsEndpointOptions["place"],
  { core, ports, ownSvid, config, log }: Parameters<typeof startBrokerEndpoint>[0],
): Promise<{ readonly server: ApiServer; readonly endpoint: TlsEndpoint }> {
  const { clock, notifier, unix, entries, store } = core;
  const trusted = trustedBy(core, config);
  let endpoint: TlsEndpoint | undefined;
  const listening = (): TlsEndpoint => {
    if (endpoint === undefined) throw errorOf(denial("NOT_SERVING", "starting"));
    return endpoint;
  };

  const server = brokerServer(
    {
      peerOf: (call) => listening().peerOf(call),
      attest: recordingRefusals(async (peer) => {
        const known = listening().tlsPeerOf(peer);
        const issuance = await store.credentials.issuance({ serialNumber: known.identity.serialNumber });
        // One that the ledger does not know was issued before it was put back in time.
        if (issuance === undefined || issuance.revokedAt !== undefined) {
          throw new BrokerError("NO_IDENTITY", "the caller's X.509-SVID was revoked");
        }
        return attestSvid(known, { attestor: unix.attestor, entries });
      }, core),
      log,
      clock,
    },
    ports,
  );

  endpoint = await listenOnTls({
    place,
    server: server.server,
    material() {
      const own = ownSvid.current();
      if (own === undefined) return undefined;
      const key = createPrivateKey({ key: Buffer.from(own.key.privateKey), format: "der", type: "pkcs8" });
      return {
        certificateChain: [own.delivery.svid, ...intermediatesOf(own.delivery.authority)].map(pemOf).join(""),
        privateKey: key.export({ format: "pem", type: "pkcs8" }).toString(),
        authorities: authorityPems(core),
      };
    },
    onMaterialChange(changed) {
      const ends = [ownSvid.onChange(changed), core.onBundleChange(changed)];
      return () => {
        for (const end of ends) end();
      };
    },
    identify: (chain) =>
      // Of this broker's own trust domain, of which it knows whether it is one for development.
      verifyX509Svid(chain, { bundles: trusted().x509, now: secondsOf(clock.now()), development: true }),
    adopt: (fd) => unix.adopt(fd),
    clock,
    onRefused({ reason, detail, spiffeId }) {
      log.info("connection refused", {
        endpoint: "broker",
        reason,
        ...(detail === undefined ? {} : { detail }),
        ...(spiffeId === undefined ? {} : { spiffeId }),
      });
      if (reason === "certificate") void core.denials.record(refusedIdentity(clock, core.random)).catch(core.failed);
    },
  });
  const cutOff = endpoint;
  notifier.subscribe(({ entries: denied }) => {
    const serials = new Set(
      denied.flatMap(({ subject }) => (subject.kind === "certificate" ? [subject.serialNumber] : [])),
    );
    if (serials.size > 0) cutOff.drop(({ serialNumber }) => serials.has(serialNumber));
  });
  return { server, endpoint };
}
