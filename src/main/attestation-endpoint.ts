import { listenOnServerTls, type ServerTlsEndpoint } from "../api/endpoint/server-tls-endpoint.ts";
import { type ApiPorts, type ApiServer, attestationServer } from "../api/grpc/servers.ts";
import { stopServing } from "../api/grpc/stop-serving.ts";
import { type SvidSource, tlsContextOf } from "../api/http/tls-context.ts";
import type { Config } from "../config/config.ts";
import { BrokerError, denial, errorOf } from "../domain/errors.ts";
import type { Log } from "../ports/log.ts";
import type { Core } from "./core.ts";
import { evidenceAttestors } from "./evidence-attestors.ts";
import { serverCertificate } from "./server-certificate.ts";

export type AttestationEndpoint = { readonly server: ApiServer; readonly port: number };

/**
 * Starts the attestation endpoint where it is configured.
 *
 * @param stops - takes the function that ends the endpoint.
 */
export async function startAttestationEndpoint(
  {
    core,
    ports,
    own,
    config: { attestation },
    log,
  }: {
    readonly core: Core;
    readonly ports: ApiPorts;
    /** Shown where the endpoint is to show the broker's own X.509-SVID. */
    readonly own: SvidSource;
    readonly config: Config;
    readonly log: Log;
  },
  stops: (() => Promise<void>)[],
): Promise<AttestationEndpoint | undefined> {
  if (attestation === undefined) return undefined;
  const attestors = await evidenceAttestors(attestation, core);
  let endpoint: ServerTlsEndpoint | undefined;
  const server = attestationServer(
    {
      peerOf(call) {
        if (endpoint === undefined) throw errorOf(denial("NOT_SERVING", "starting"));
        return endpoint.peerOf(call);
      },
      // The connection says nothing of who the client is.
      attest: () => Promise.reject(new BrokerError("NO_IDENTITY", "nobody is attested by this connection")),
      log,
      clock: core.clock,
      tracing: core.tracing,
    },
    {
      ...ports.issuing,
      entries: core.entries,
      ledger: core.store.ledger,
      evidenceAttestors: attestors,
      takesJoinTokens: attestation.joinToken,
    },
  );
  const { tls } = attestation;
  const files = tls === "own-svid" ? undefined : await core.files.follow(serverCertificate("attestation.tls", tls));
  const shown = files === undefined ? own : { material: files.current, onChange: files.onChange };
  endpoint = await listenOnServerTls({
    place: attestation.listen,
    server: server.server,
    context: await tlsContextOf(shown, undefined),
    onRefused: (refusal) => log.recurring("connection refused", { endpoint: "attestation", ...refusal }),
  });
  const bound = endpoint;
  stops.push(() => stopServing(server.server, bound, core.clock));
  return { server, port: bound.port };
}
