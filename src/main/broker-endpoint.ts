import { listenOnTls, type TlsEndpoint, type TlsEndpointOptions } from "../api/endpoint/tls-endpoint.ts";
import { recordingRefusals } from "../api/grpc/attesting.ts";
import { type ApiPorts, type ApiServer, brokerServer } from "../api/grpc/servers.ts";
import { stopServing } from "../api/grpc/stop-serving.ts";
import type { SvidSource } from "../api/http/tls-context.ts";
import { attestSvid } from "../attest/attest-svid.ts";
import type { BrokerEndpointConfig, Config } from "../config/config.ts";
import { denyOf } from "../decide/record-denial.ts";
import { BrokerError, denial, errorOf } from "../domain/errors.ts";
import type { Log } from "../ports/log.ts";
import type { Core } from "./core.ts";
import { authorityPems, type Trust } from "./trust.ts";

export type BrokerEndpoints = { readonly servers: readonly ApiServer[]; readonly port: number | undefined };

/**
 * Starts the SPIFFE Broker Endpoint where it is configured: on a unix socket, on TCP, or on both.
 *
 * @param stops - takes the functions that end the endpoints.
 */
export async function startBrokerEndpoint(
  given: {
    readonly core: Core;
    readonly ports: ApiPorts;
    readonly own: SvidSource;
    readonly trust: Trust;
    readonly config: Config;
    readonly log: Log;
  },
  stops: (() => Promise<void>)[],
): Promise<BrokerEndpoints> {
  const { broker } = given.config;
  const servers: ApiServer[] = [];
  let port: number | undefined;
  for (const place of broker === undefined ? [] : placesOf(broker)) {
    const { server, endpoint, stop } = await serve(place, given);
    servers.push(server);
    port ??= endpoint.port;
    stops.push(stop);
  }
  return { servers, port };
}

function placesOf({ socket, listen }: BrokerEndpointConfig): readonly TlsEndpointOptions["place"][] {
  return [...(socket === undefined ? [] : [socket]), ...(listen === undefined ? [] : [listen])];
}

async function serve(
  place: TlsEndpointOptions["place"],
  { core, ports, own, trust, log }: Parameters<typeof startBrokerEndpoint>[0],
): Promise<{ readonly server: ApiServer; readonly endpoint: TlsEndpoint; readonly stop: () => Promise<void> }> {
  const { clock, notifier, unix, entries, store } = core;
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
        // An SVID that the ledger does not know was issued before the ledger was put back in time.
        if (issuance === undefined || issuance.revokedAt !== undefined) {
          throw new BrokerError("NO_IDENTITY", "the caller's X.509-SVID was revoked");
        }
        return attestSvid(known, { attestor: unix.attestor, entries });
      }, core),
      log,
      clock,
      tracing: core.tracing,
    },
    ports,
  );

  endpoint = await listenOnTls({
    place,
    server: server.server,
    material() {
      const shown = own.material();
      return shown === undefined ? undefined : { ...shown, authorities: authorityPems(core) };
    },
    onMaterialChange(changed) {
      const ends = [own.onChange(changed), core.onBundleChange(changed)];
      return () => {
        for (const end of ends) end();
      };
    },
    identify: trust.identify,
    adopt: (fd) => unix.adopt(fd),
    clock,
    onRefused(refusal) {
      log.recurring("connection refused", { endpoint: "broker", ...refusal });
      if (refusal.reason !== "certificate") return;
      const message = "the caller's certificate is not believed";
      void core.denials.record(denyOf({ act: "attest", reason: "NO_IDENTITY", message }, core), undefined);
    },
  });
  const bound = endpoint;
  const { unsubscribe } = notifier.subscribe(({ entries: denied }) => {
    const serials = new Set(
      denied.flatMap(({ subject }) => (subject.kind === "certificate" ? [subject.serialNumber] : [])),
    );
    if (serials.size > 0) bound.drop(({ serialNumber }) => serials.has(serialNumber));
  });
  return {
    server,
    endpoint,
    async stop() {
      await stopServing(server.server, bound, clock);
      unsubscribe();
    },
  };
}
