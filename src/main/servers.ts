import type { FrontPool } from "../adapters/front-processes/front-pool.ts";
import { listenOnUnix } from "../api/endpoint/unix-endpoint.ts";
import { attesting } from "../api/grpc/attesting.ts";
import { type ApiPorts, type ApiServer, operatorServer, workloadServer } from "../api/grpc/servers.ts";
import { stopServing } from "../api/grpc/stop-serving.ts";
import type { Config } from "../config/config.ts";
import { denial, errorOf } from "../domain/errors.ts";
import { createOwnSvid } from "../issue/own-svid.ts";
import type { Log } from "../ports/log.ts";
import { startAttestationEndpoint } from "./attestation-endpoint.ts";
import { startBrokerEndpoint } from "./broker-endpoint.ts";
import { endingLines } from "./certificate-endings.ts";
import type { Closers } from "./closers.ts";
import { conditionLines } from "./condition-lines.ts";
import type { Console, createConsole } from "./console.ts";
import type { Core } from "./core.ts";
import { frontAnswers, frontSettings, type PassOn } from "./front-ends.ts";
import type { HttpUrls, startHttpListeners } from "./http.ts";
import { metricsOf } from "./metrics.ts";
import { startNodesEndpoint } from "./nodes-endpoint.ts";
import { shownBy, trustOf } from "./trust.ts";
import { verifierLines } from "./verifier-lines.ts";

const READINESS_INTERVAL_MS = 250;

/** Where those servers are reached that may have been given any free port. */
export type Serving = HttpUrls & {
  readonly brokerPort: number | undefined;
  readonly nodesPort: number | undefined;
  readonly attestationPort: number | undefined;
};

/** Lets everybody in. Called last: nobody is answered before everything is in place. */
export async function startServers(
  {
    core,
    ports,
    config,
    log,
    passOn,
  }: {
    readonly core: Core;
    readonly ports: ApiPorts;
    readonly config: Config;
    readonly log: Log;
    readonly passOn: PassOn;
  },
  closers: Closers,
): Promise<Serving> {
  const { clock, receipts, readiness, unix } = core;
  const metrics = metricsOf(core);
  const counted = metrics.counting(log);
  const attested = attesting({ ...core, attestor: unix.attestor });
  // All servers stop at once: while one finishes its calls in flight, the others must not go on taking calls.
  const stops: (() => Promise<void>)[] = [];
  closers.push(async () => void (await Promise.all(stops.map((stop) => stop()))));
  const workload = await serve(workloadServer, config.workload.socket, config.workload.mode, undefined, core.frontEnds);
  const { groupId } = config.operator;
  const console =
    config.console === undefined ? undefined : await startConsole({ core, ports, config, log: counted }, closers);
  const operators: typeof workloadServer = (endpoint, of) => operatorServer(endpoint, of, { link: console?.link });
  const operator = await serve(operators, config.operator.socket, groupId === undefined ? 0o600 : 0o660, groupId);

  async function serve(
    make: (endpoint: Parameters<typeof workloadServer>[0], ports: ApiPorts) => ApiServer,
    path: string,
    mode: number,
    gid: number | undefined,
    frontEnds?: FrontPool,
  ): Promise<ApiServer> {
    let endpoint: Awaited<ReturnType<typeof listenOnUnix>> | undefined;
    const api = make(
      {
        peerOf(call) {
          if (endpoint === undefined) throw errorOf(denial("NOT_SERVING", "starting"));
          return endpoint.peerOf(call);
        },
        attest: attested,
        log: counted,
        clock,
        tracing: core.tracing,
      },
      ports,
    );
    // Before anybody is let in: who comes while none of them serves is served here, for as long as the connection lasts.
    await frontEnds?.start(frontSettings(core, config), core.store.ledger.head().sequence, {
      ...frontAnswers({ ...ports.issuing, authorities: core.authorities, failed: core.failed }),
      relay: (connectionId, socket) => endpoint?.join(connectionId, socket),
      count: metrics.count,
      line: passOn,
    });
    endpoint = await listenOnUnix({
      path,
      mode,
      ...(gid === undefined ? {} : { gid }),
      server: api.server,
      adopt: (fd) => unix.adopt(fd),
      descriptors: unix.descriptors,
      connectionsPerUidMax: config.limits.connectionsPerUid,
      ...(frontEnds === undefined
        ? {}
        : { handOver: (socket, { connectionId }, ended) => frontEnds.take(connectionId, socket, ended) }),
      onRefused: ({ reason, uid }) => log.recurring("connection refused", { reason, uid: uid ?? -1 }),
    });
    const listening = endpoint;
    stops.push(
      () => stopServing(api.server, listening, clock),
      async () => frontEnds?.stop(),
    );
    return api;
  }

  const ownSvid = createOwnSvid({
    ...ports.issuing,
    entries: core.entries,
    keyPairs: ports.workloadApi.keyPairs,
    onBundleChange: core.onBundleChange,
    failed: core.failed,
  });
  closers.push(() => ownSvid.stop());
  const listeners = [config.http, config.operations, config.attestation];
  const showsSvid = config.broker !== undefined || config.nodes !== undefined;
  if (showsSvid || listeners.some((one) => one?.tls === "own-svid")) await ownSvid.start();
  const own = shownBy(ownSvid);
  const trust = trustOf(core, config);
  const broker = await startBrokerEndpoint({ core, ports, own, trust, config, log: counted }, stops);

  const nodes = await startNodesEndpoint({ core, ports, own, trust, config, log: counted }, stops);

  const attestation = await startAttestationEndpoint({ core, ports, own, config, log: counted }, stops);

  const checking = ports.authorizations;
  const urls = await startHttp(
    { core, own, trust, checking, config, log, metrics: metrics.registry, console },
    closers,
  );

  const tellConditions = conditionLines(log);
  const tellEndings = endingLines(log, clock);
  const tellVerifiers = verifierLines(log, {
    receipts,
    entries: core.entries,
    head: () => core.store.ledger.head().sequence,
    monotonicMs: clock.monotonicMs,
  });
  const tellServing = () => {
    const { ready, conditions } = readiness();
    tellConditions(conditions);
    tellEndings(core.endings());
    tellVerifiers();
    workload.setServing(ready);
    operator.setServing(true);
    for (const server of broker.servers) server.setServing(ready);
    nodes?.server.setServing(ready);
    attestation?.server.setServing(ready);
  };
  tellServing();
  const interval = setInterval(tellServing, READINESS_INTERVAL_MS).unref();
  closers.push(() => clearInterval(interval));

  return { ...urls, brokerPort: broker.port, nodesPort: nodes?.port, attestationPort: attestation?.port };
}

/** Where none is configured, what serves it is not loaded. */
async function startConsole(parts: Parameters<typeof createConsole>[0], closers: Closers): Promise<Console> {
  const { createConsole } = await import("./console.ts");
  return createConsole(parts, closers);
}

/** Where none is configured, what serves HTTP is not loaded. */
async function startHttp(parts: Parameters<typeof startHttpListeners>[0], closers: Closers): Promise<HttpUrls> {
  const { http, operations } = parts.config;
  if (http === undefined && operations === undefined) return { httpUrl: undefined, operationsUrl: undefined };
  const listeners = await import("./http.ts");
  return listeners.startHttpListeners(parts, closers);
}
