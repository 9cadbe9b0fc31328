import { readFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import type { UnixPeer } from "../adapters/attestor-unix/unix-attestor.ts";
import { createUnixAttestor } from "../adapters/attestor-unix/unix-attestor.ts";
import { createLog, type ProcessLog } from "../adapters/log-pino/log-pino.ts";
import { systemClock } from "../adapters/system/system-clock.ts";
import { listenOnUnix, type UnixEndpoint } from "../api/endpoint/unix-endpoint.ts";
import { nodeAgentServer } from "../api/grpc/servers.ts";
import { stopServing } from "../api/grpc/stop-serving.ts";
import { BrokerError, denial, errorOf } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { keepAttending } from "../node/attend.ts";
import type { NodeConfig } from "../node/node-config.ts";
import { serveCalls } from "../node/serve-calls.ts";
import { keepUpstream } from "../node/upstream.ts";
import type { AttestationEvidence } from "../sdk/runtime/attestation-options.ts";
import { attestedRuntimeSvid } from "../sdk/runtime/attested-svid.ts";
import { type Closers, closeAll } from "./closers.ts";
import { heedEnding } from "./ending.ts";
import { LAST_LINES_MS, logWhatNodePrints } from "./log-what-node-prints.ts";

const TELL_EVERY_MS = 250;

/**
 * `stint node`: attests the processes of a machine without a broker, serves them the workload socket, and asks the broker
 * for them. Until SIGTERM or SIGINT.
 *
 * @throws BrokerError when the socket can't be had, or the kernel does not tell who connects
 */
export async function runNodeAgent(config: NodeConfig): Promise<void> {
  const log = createLog({ level: config.logLevel });
  logWhatNodePrints({ whole: log, warnings: log }, "the node");
  const stopping = heedEnding(log);
  const closers: Closers = [];
  try {
    await serve(config, log, closers);
    log.info("serving", { nodePid: process.pid, name: config.name, workloadSocket: config.workload.socket });
    await stopping;
    log.info("stopping");
  } finally {
    await closeAll(closers);
  }
  await log.flushed(LAST_LINES_MS);
}

async function serve(config: NodeConfig, log: ProcessLog, closers: Closers): Promise<void> {
  const clock = systemClock();
  const unix = createUnixAttestor();
  closers.push(() => unix.close());
  const own = unix.watch.find(process.pid)?.process;
  if (own === undefined) throw new BrokerError("NOT_SERVING", "the node can't find its own process");

  const endpoint = `tcp://${config.broker.nodes}`;
  const { trustDomain, trust, name } = config;
  const svid = attestedRuntimeSvid(
    {
      address: config.broker.attestation,
      trust: "bundleFile" in trust ? { trustDomain, bundleFile: trust.bundleFile } : serverTrustOf(trust),
      evidence: evidenceOf(config.evidence),
      entry: `node/${name}`,
    },
    endpoint,
  );
  closers.push(() => svid.close());
  const upstream = keepUpstream(endpoint, svid);
  closers.push(() => upstream.close());

  const ports = { watch: unix.watch, kinship: unix.kinship, upstream };
  const attending = keepAttending({ ...ports, own, log, pause: (ms) => sleep(ms, undefined, { ref: false }) });
  closers.push(() => attending.close());

  let listening: UnixEndpoint<UnixPeer> | undefined;
  const raw = serveCalls({
    ...ports,
    attestor: unix.attestor,
    ownUid: config.development ? undefined : process.getuid?.(),
    peerOf(call) {
      if (listening === undefined) throw errorOf(denial("NOT_SERVING", "starting"));
      return listening.peerOf(call);
    },
    now: () => Date.now(),
    async pause(ms) {
      const waited = sleep(ms, undefined, { ref: false });
      await (attending.isAttended() ? waited : Promise.race([waited, attending.attended()]));
    },
  });
  const { server, setServing } = nodeAgentServer(raw);
  const tell = setInterval(() => setServing(attending.isAttended()), TELL_EVERY_MS).unref();
  closers.push(() => clearInterval(tell));
  listening = await listenOnUnix({
    path: config.workload.socket,
    mode: config.workload.mode,
    server,
    adopt: (fd) => unix.adopt(fd),
    descriptors: unix.descriptors,
    connectionsPerUidMax: LIMITS.connectionsPerUidMax,
    onRefused: ({ reason, uid }) => log.recurring("connection refused", { reason, uid: uid ?? -1 }),
  });
  const bound = listening;
  closers.push(() => stopServing(server, bound, clock));
}

function serverTrustOf({ roots, serverName }: Extract<NodeConfig["trust"], { readonly roots: string | undefined }>) {
  return { serverName, roots: roots === undefined ? undefined : readFileSync(roots, "utf8") };
}

function evidenceOf(evidence: NodeConfig["evidence"]): AttestationEvidence {
  switch (evidence.kind) {
    case "join_token":
      return { joinTokenFile: evidence.file };
    case "oidc":
      return { oidcTokenFile: evidence.file };
    case "x509pop": {
      const { certificateChain, privateKey } = evidence;
      return {
        x509pop: {
          certificateChain: readFileSync(certificateChain, "utf8"),
          privateKey: readFileSync(privateKey, "utf8"),
        },
      };
    }
  }
}
