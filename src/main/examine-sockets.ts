import { dirname } from "node:path";
import type { KernelProbe } from "../adapters/attestor-unix/kernel-probe.ts";
import { descriptorOf } from "../api/endpoint/connections.ts";
import type { Config } from "../config/config.ts";
import { type Diagnosis, error } from "../doctor/diagnosis.ts";
import { directoriesAbove, pathFacts, targetFacts } from "../doctor/probe-files.ts";
import { tryConnect } from "../doctor/probe-process.ts";
import { checkSocket } from "../doctor/sockets.ts";
import type { User } from "../doctor/users.ts";

export type Listener = { readonly pid: number; readonly uid: number };

const FOR_ITS_USER = 0o600;
const FOR_ITS_GROUP = 0o660;

/** Looks at the broker's sockets, and who is there; at the ports of a broker that does not run, whether somebody else is. */
export async function examineSockets(
  config: Config,
  { daemon, kernel }: { readonly daemon: User | undefined; readonly kernel: KernelProbe | undefined },
): Promise<{
  readonly diagnoses: readonly Diagnosis[];
  readonly listener: Listener | undefined;
  /** Whether connecting to the operator socket worked. */
  readonly operatorsAreHeard: boolean;
}> {
  const { workload, operator, broker } = config;
  const places = [
    { setting: "workload.socket", path: workload.socket, mode: workload.mode },
    {
      setting: "operator.socket",
      path: operator.socket,
      mode: operator.groupId === undefined ? FOR_ITS_USER : FOR_ITS_GROUP,
    },
    ...(broker?.socket === undefined
      ? []
      : [{ setting: "broker.socket", path: broker.socket.path, mode: broker.socket.mode }]),
  ];
  const diagnoses: Diagnosis[] = [];
  let listener: Listener | undefined;
  let operatorsAreHeard = false;
  for (const { setting, path, mode } of places) {
    const socket = pathFacts(path);
    const { connected, seen } =
      socket.kind === "socket"
        ? await tryConnect({ path }, (open) => {
            const fd = descriptorOf(open);
            return fd === undefined ? undefined : kernel?.listenerOf(fd);
          })
        : { connected: undefined, seen: undefined };
    listener ??= seen;
    if (path === operator.socket) operatorsAreHeard = connected === "listens";
    const hasDirectory = targetFacts(dirname(path)).kind === "directory";
    const above = directoriesAbove(path);
    for (const one of checkSocket({ setting, socket, above, hasDirectory, connected, listener: seen, mode, daemon })) {
      // Of a directory that two sockets share, the same is found twice.
      if (!diagnoses.some(({ what }) => what === one.what)) diagnoses.push(one);
    }
  }
  if (listener === undefined) diagnoses.push(...(await takenPorts(config)));
  return { diagnoses, listener, operatorsAreHeard };
}

/** Where no broker runs, whoever listens at its ports is another. */
async function takenPorts(config: Config): Promise<readonly Diagnosis[]> {
  const { http, operations, attestation, nodes, broker } = config;
  const listeners = {
    http,
    operations,
    attestation: attestation?.listen,
    nodes: nodes?.listen,
    broker: broker?.listen,
  };
  const found: Diagnosis[] = [];
  for (const [section, listen] of Object.entries(listeners)) {
    if (listen === undefined || listen.port === 0) continue;
    const { connected } = await tryConnect({ host: reachable(listen.host), port: listen.port }, () => undefined);
    if (connected !== "listens") continue;
    const what = `somebody listens at port ${listen.port} of ${listen.host}, which ${section}.listen is to have`;
    const why = "stintd does not start";
    const mend = `end that program (ss -ltnp sport = :${listen.port}), or another ${section}.listen`;
    found.push(error("sockets", { what, why, mend }));
  }
  return found;
}

/** Whoever listens at all addresses listens at this machine's own. */
function reachable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}
