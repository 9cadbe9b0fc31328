import type { TlsEndpointOptions } from "../api/endpoint/tls-endpoint.ts";
import { type ApiPorts, type ApiServer, brokerServer } from "../api/grpc/servers.ts";
import { attestSvid } from "../attest/attest-svid.ts";
import type { BrokerEndpointConfig, Config } from "../config/config.ts";
import { type SvidEndpointParts, serveBySvid } from "./svid-endpoint.ts";

export type BrokerEndpoints = { readonly servers: readonly ApiServer[]; readonly port: number | undefined };

/**
 * Starts the SPIFFE Broker Endpoint where it is configured: on a unix socket, on TCP, or on both.
 *
 * @param stops - takes the functions that end the endpoints.
 */
export async function startBrokerEndpoint(
  given: SvidEndpointParts & { readonly ports: ApiPorts; readonly config: Config },
  stops: (() => Promise<void>)[],
): Promise<BrokerEndpoints> {
  const { broker } = given.config;
  const { entries, unix } = given.core;
  const servers: ApiServer[] = [];
  let port: number | undefined;
  for (const place of broker === undefined ? [] : placesOf(broker)) {
    const { server, endpoint, stop } = await serveBySvid(
      {
        name: "broker",
        place,
        make: (on) => brokerServer(on, given.ports),
        attest: (connection) => attestSvid(connection, { attestor: unix.attestor, entries }),
      },
      given,
    );
    servers.push(server);
    port ??= endpoint.port;
    stops.push(stop);
  }
  return { servers, port };
}

function placesOf({ socket, listen }: BrokerEndpointConfig): readonly TlsEndpointOptions["place"][] {
  return [...(socket === undefined ? [] : [socket]), ...(listen === undefined ? [] : [listen])];
}
