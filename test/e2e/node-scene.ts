import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Channel } from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import { stringify } from "yaml";
import { SpiffeWorkloadAPI } from "../../src/gen/spiffe/workload/workload_pb.js";
import { Callers } from "../../src/gen/stint/v1/callers_pb.js";
import { Credentials } from "../../src/gen/stint/v1/credentials_pb.js";
import { History } from "../../src/gen/stint/v1/history_pb.js";
import { Nodes } from "../../src/gen/stint/v1/nodes_pb.js";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { attestRuntime } from "../../src/sdk/runtime/attest-runtime.ts";
import type { AttestationOptions } from "../../src/sdk/runtime/attestation-options.ts";
import { serverTrustOf } from "../../src/sdk/runtime/attestation-trust.ts";
import type { TlsIdentity } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { type Daemon, type LogLine, parseLine, startDaemon } from "../daemon.ts";
import { STINT } from "../programs.ts";
import { READ_SEARCH } from "./entries.ts";
import { operatorOf } from "./operator.ts";

export const uid = `unix:uid:${process.getuid?.()}`;
const onNode = (name: string) => [`node:name:${name}`, uid];

/** Two nodes, each with a runtime and an agent; and the same on the broker's own machine. */
export const NODE_ENTRIES = [
  { kind: "operator", name: "local", selectors: [uid], role: "admin" },
  { kind: "operator", name: "admin", selectors: ["join_token:name:admin"], role: "admin" },
  { kind: "runtime", name: "here", selectors: [uid], agents: ["local-agent"] },
  { kind: "agent", name: "local-agent", selectors: [uid], ceiling: [READ_SEARCH] },
  ...["one", "two"].flatMap((name) => [
    { kind: "node", name, selectors: [`join_token:name:${name}`] },
    { kind: "runtime", name: `flow-${name}`, selectors: onNode(name), agents: [`agent-${name}`] },
    { kind: "agent", name: `agent-${name}`, selectors: onNode(name), ceiling: [READ_SEARCH] },
  ]),
];

export type NodeAgent = {
  readonly endpoint: string;
  readonly socket: string;
  readonly log: readonly LogLine[];
  readonly child: ChildProcess;
  /** Resolves with the first line of this text that is not among the first `from` lines. */
  line(msg: string, from?: number): Promise<LogLine>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** An endpoint for nodes, and one for their attestation. */
export const FOR_NODES = {
  nodes: { listen: "127.0.0.1:0" },
  attestation: { listen: "127.0.0.1:0", own_svid: true },
};

/** A broker with two nodes. */
export function brokerForNodes(given: { readonly config?: object; readonly directory?: string } = {}): Promise<Daemon> {
  return startDaemon({
    entries: NODE_ENTRIES,
    ...(given.directory === undefined ? {} : { directory: given.directory }),
    config: {
      ...FOR_NODES,
      ...given.config,
    },
  });
}

export function portOf(daemon: Daemon, name: "nodesPort" | "attestationPort"): number {
  return Number(daemon.log.find(({ msg }) => msg === "serving")?.[name]);
}

/**
 * Starts `stint node`, and waits until the broker attends it.
 *
 * @param given.evidence - as in its configuration; absent: a new join token.
 * @param given.within - the command that starts it, and the user that the command makes it run as.
 */
export async function startNode(
  daemon: Daemon,
  name: string,
  given: {
    readonly nodesPort?: number;
    readonly development?: boolean;
    readonly evidence?: object;
    readonly bundle?: string;
    readonly within?: { readonly command: readonly string[]; readonly uid: number };
  } = {},
): Promise<NodeAgent> {
  const directory = mkdtempSync(join(tmpdir(), "stint-node-"));
  const file = (base: string, text: string) => {
    const path = join(directory, base);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const socket = join(directory, "workload.sock");
  const config = file(
    "node.yaml",
    stringify({
      name,
      trust_domain: "example.org",
      broker: {
        nodes: `127.0.0.1:${given.nodesPort ?? portOf(daemon, "nodesPort")}`,
        attestation: `127.0.0.1:${portOf(daemon, "attestationPort")}`,
        bundle: file(
          "bundle.json",
          given.bundle ?? (await (await fetch(`${daemon.httpUrl}/spiffe-bundle.json`)).text()),
        ),
      },
      evidence: given.evidence ?? { join_token_file: file("token", await joinTokenFor(daemon, name)) },
      workload: { socket },
      development: given.development ?? true,
    }),
  );
  if (given.within !== undefined) {
    for (const path of [directory, ...readdirSync(directory).map((base) => join(directory, base))]) {
      chownSync(path, given.within.uid, given.within.uid);
    }
    chmodSync(directory, 0o755);
  }
  const [command, ...args] = [...(given.within?.command ?? []), process.execPath, STINT, "node", "--config", config];
  const child = spawn(command ?? "", args, { stdio: ["ignore", "inherit", "pipe"] });
  const log: LogLine[] = [];
  const waiting = new Set<() => void>();
  const lines = createInterface({ input: child.stderr });
  lines.on("line", (line) => {
    log.push(parseLine(line));
    for (const look of waiting) look();
  });
  lines.on("close", () => {
    for (const look of waiting) look();
  });
  const exited = once(child, "exit");
  const agent: NodeAgent = {
    endpoint: `unix://${socket}`,
    socket,
    log,
    child,
    line: (msg, from = 0) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = log.slice(from).find((one) => one.msg === msg);
          if (found === undefined && child.exitCode === null && child.signalCode === null) return;
          waiting.delete(look);
          if (found === undefined)
            reject(new Error(`the node ended:\n${log.map((one) => JSON.stringify(one)).join("\n")}`));
          else resolve(found);
        };
        waiting.add(look);
        look();
      }),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
  await Promise.all([agent.line("serving"), agent.line("attended by the broker")]);
  return agent;
}

async function joinTokenFor(daemon: Daemon, name: string): Promise<string> {
  using operator = operatorOf(daemon.operatorSocket);
  return (await operator.joinTokens.create({ name })).token;
}

/** What whoever has such evidence gets of the broker, whoever it is. @param entry - as the attestation names it. */
export async function identityBy(
  daemon: Daemon,
  evidence: AttestationOptions["evidence"],
  entry?: string,
): Promise<TlsIdentity> {
  const bundle = await (await fetch(`${daemon.httpUrl}/spiffe-bundle.json`)).text();
  const trust = { trustDomain: "example.org", bundle };
  const address = `127.0.0.1:${portOf(daemon, "attestationPort")}`;
  const options = { address, trust, evidence, ...(entry === undefined ? {} : { entry }) };
  return (await attestRuntime(options, await serverTrustOf(trust, undefined), AbortSignal.timeout(30_000))).identity;
}

/** What is called in these tests, on a connection that ends with the test. */
export function clientsOf(channel: Channel) {
  onTestFinished(() => channel.close());
  return {
    steps: createClient(Steps, channel),
    credentials: createClient(Credentials, channel),
    callers: createClient(Callers, channel),
    workload: createClient(SpiffeWorkloadAPI, channel),
    history: createClient(History, channel),
    nodes: createClient(Nodes, channel),
  };
}

/** A way to the broker that can be cut and mended. */
/** A port of the loopback address, or the path of a socket. */
type Place = number | string;

export type Cable = {
  readonly port: number;
  cut(): void;
  mend(): void;
  lead(to: Place): void;
  [Symbol.asyncDispose](): Promise<void>;
};

/** @param at - where it begins; absent: at a port of its own. */
export async function cableTo(first: Place, at: Place = 0): Promise<Cable> {
  let end = first;
  const sockets = new Set<Socket>();
  let isCut = false;
  const server: Server = createServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = typeof end === "number" ? connect(end, "127.0.0.1") : connect(end);
    for (const one of [near, far]) {
      sockets.add(one);
      one.on("error", () => undefined);
      one.once("close", () => {
        sockets.delete(one);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  await once(typeof at === "number" ? server.listen(at, "127.0.0.1") : server.listen(at), "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    cut() {
      isCut = true;
      for (const one of sockets) one.destroy();
    },
    mend() {
      isCut = false;
    },
    /** Cuts it, and mends it to another broker. */
    lead(to) {
      end = to;
      for (const one of sockets) one.destroy();
    },
    async [Symbol.asyncDispose]() {
      for (const one of sockets) one.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
