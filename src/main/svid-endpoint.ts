import { listenOnTls, type TlsEndpoint, type TlsEndpointOptions, type TlsPeer } from "../api/endpoint/tls-endpoint.ts";
import { recordingRefusals } from "../api/grpc/attesting.ts";
import type { Endpoint } from "../api/grpc/call.ts";
import type { ApiServer } from "../api/grpc/servers.ts";
import { stopServing } from "../api/grpc/stop-serving.ts";
import type { SvidSource } from "../api/http/tls-context.ts";
import { denyOf } from "../decide/record-denial.ts";
import { BrokerError, denial, errorOf } from "../domain/errors.ts";
import type { Attested } from "../domain/stages.ts";
import type { Peer } from "../ports/attestor.ts";
import type { Log } from "../ports/log.ts";
import type { Core } from "./core.ts";
import { authorityPems, type Trust } from "./trust.ts";

/** Who calls on an endpoint where X.509-SVIDs are shown, and how it is served. */
export type ServedBySvid = {
  /** How the log calls the endpoint. */
  readonly name: string;
  readonly place: TlsEndpointOptions["place"];
  readonly make: (endpoint: Endpoint) => ApiServer;
  /** Who calls, by the connection and the call; absent: the connection's own peer. */
  readonly peerOf?: (call: Parameters<Endpoint["peerOf"]>[0], connection: TlsPeer) => Peer;
  /** @param connection - whose SVID the ledger knows, and which was not revoked. */
  readonly attest: (connection: TlsPeer, peer: Peer) => Promise<Attested>;
};

export type SvidEndpointParts = {
  readonly core: Core;
  readonly own: SvidSource;
  readonly trust: Trust;
  readonly log: Log;
};

/**
 * Serves whoever shows an X.509-SVID of the trust domain, for as long as that SVID is good: a connection ends with it, and
 * when it is revoked.
 */
export async function serveBySvid(
  { name, place, make, peerOf, attest }: ServedBySvid,
  { core, own, trust, log }: SvidEndpointParts,
): Promise<{ readonly server: ApiServer; readonly endpoint: TlsEndpoint; readonly stop: () => Promise<void> }> {
  const { clock, notifier, unix, store } = core;
  let endpoint: TlsEndpoint | undefined;
  const listening = (): TlsEndpoint => {
    if (endpoint === undefined) throw errorOf(denial("NOT_SERVING", "starting"));
    return endpoint;
  };

  const server = make({
    peerOf(call) {
      const connection = listening().peerOf(call);
      return peerOf?.(call, connection) ?? connection;
    },
    attest: recordingRefusals(async (peer) => {
      const connection = listening().tlsPeerOf(peer);
      const issuance = await store.credentials.issuance({ serialNumber: connection.identity.serialNumber });
      // An SVID that the ledger does not know was issued before the ledger was put back in time.
      if (issuance === undefined || issuance.revokedAt !== undefined) {
        throw new BrokerError("NO_IDENTITY", "the caller's X.509-SVID was revoked");
      }
      return attest(connection, peer);
    }, core),
    log,
    clock,
    tracing: core.tracing,
  });

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
      log.recurring("connection refused", { endpoint: name, ...refusal });
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
