import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { Agent, request as requestHttp } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { stringify } from "yaml";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { startBroker } from "./broker-process.ts";
import { ROOT } from "./checkout.ts";
import { machineName } from "./machine.ts";
import { factsOf, type ProcessFacts } from "./process-facts.ts";
import { AUDIENCE, GRANT, percentile } from "./workload.ts";

/** What stands in front of a server: nothing, the guard, or the bridge. */
export const SIDES = ["plain", "guarded", "bridged"] as const;
export type Side = (typeof SIDES)[number];

/** What one run measures of guard and bridge: each row by the plain server and by each in front of it, in turns. */
export type OfGuard = { readonly machine: string; readonly rows: readonly GuardRow[] };

export type GuardRow = { readonly callers: number } & Readonly<Record<Side, CallsMeasured>>;

export type CallsMeasured = {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU of a call, in microseconds. */
  readonly serverMicros: number;
  readonly betweenMicros: number;
  /** Of this process, which asks: near 1 it measures itself. */
  readonly generatorShare: number;
};

const CALLERS = [1, 64] as const;
/** Slices of each, in turns, so that whatever else the machine does falls on both. */
const SLICES = 4;
const WARM_UP_MS = 1_000;

type Asked = { readonly url: string; readonly authorization: string };
type Measured = { ms: number[]; calls: number; wallMs: number; server: number; between: number; own: number };

/** @param seconds - of each row and side, in all. */
export async function measureGuard(seconds: number, say: (progress: string) => void): Promise<OfGuard> {
  await using broker = await startBroker({ entries: BRIDGED_ENTRIES });
  const token = await issuedToken(broker.socket);
  const server = await startProcess([join(ROOT, "scripts/bench/guarded-server.ts")], "stdout", /^(\d+)$/);
  const plain = `http://127.0.0.1:${server.said}/mcp`;
  const directory = mkdtempSync(join(tmpdir(), "stint-bench-"));
  const config = join(directory, "guard.yaml");
  const settings = {
    resource: AUDIENCE,
    issuer: "https://broker.bench.example",
    listen: "127.0.0.1:0",
    upstream: { url: plain },
    secrets: { key: { command: ["/bin/echo", "a-secret-of-the-servers"] } },
    inject: [{ secret: "key", header: "X-Api-Key" }],
    tools: { search: { actions: ["read"], datatypes: ["internal"] } },
    development: true,
  };
  writeFileSync(config, stringify(settings), { mode: 0o600 });
  const stint = ["--socket", `unix://${broker.socket}`, "guard", "--config", config];
  const guard = await startProcess([join(ROOT, "src/cli/stint.ts"), ...stint], "stderr", /is served at (\S+)$/);
  const bridge = await startProcess(bridgeTo(plain, broker.socket), "stdout", /^(\{.*\})$/);
  try {
    const authorization = `Bearer ${token}`;
    const asked: Record<Side, Asked> = {
      plain: { url: plain, authorization },
      guarded: { url: `${guard.said}/mcp`, authorization },
      bridged: JSON.parse(bridge.said),
    };
    // Where nothing stands between, what the guard does meanwhile is nobody's call.
    const between = { plain: guard, guarded: guard, bridged: bridge };
    const rows: GuardRow[] = [];
    for (const callers of CALLERS) {
      say(`a call of a trivial tool, ${callers} at once`);
      const sides: Record<Side, Measured> = { plain: nothing(), guarded: nothing(), bridged: nothing() };
      for (const side of SIDES) await load(asked[side], callers, WARM_UP_MS);
      for (let slice = 0; slice < SLICES; slice += 1) {
        for (const side of slice % 2 === 0 ? SIDES : SIDES.toReversed()) {
          const sliceMs = (seconds * 1_000) / SLICES;
          const facts = { server: factsOf(server.pid), between: factsOf(between[side].pid) };
          await measureSlice(sides[side], facts, () => load(asked[side], callers, sliceMs));
        }
      }
      const { plain, guarded, bridged } = sides;
      rows.push({ callers, plain: summed(plain), guarded: summed(guarded), bridged: summed(bridged) });
    }
    return { machine: machineName(), rows };
  } finally {
    await Promise.all([bridge.end(), guard.end(), server.end()]);
    rmSync(directory, { recursive: true });
  }
}

const nothing = (): Measured => ({ ms: [], calls: 0, wallMs: 0, server: 0, between: 0, own: 0 });

async function measureSlice(
  into: Measured,
  facts: Readonly<Record<"server" | "between", ProcessFacts>>,
  run: () => Promise<readonly number[]>,
): Promise<void> {
  const cpu = () => [facts.server.cpuSeconds(), facts.between.cpuSeconds()] as const;
  const [server, between] = cpu();
  const own = process.cpuUsage();
  const startedMs = performance.now();
  const ms = await run();
  into.wallMs += performance.now() - startedMs;
  const [serverAfter, betweenAfter] = cpu();
  const { user, system } = process.cpuUsage(own);
  into.ms.push(...ms);
  into.calls += ms.length;
  into.server += serverAfter - server;
  into.between += betweenAfter - between;
  into.own += (user + system) / 1_000;
}

function summed({ ms, calls, wallMs, server, between, own }: Measured): CallsMeasured {
  const sorted = ms.toSorted((a, b) => a - b);
  return {
    perSecond: (calls * 1_000) / wallMs,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    serverMicros: (server * 1e6) / calls,
    betweenMicros: (between * 1e6) / calls,
    generatorShare: own / wallMs,
  };
}

const VERSION = "2026-07-28";
const BODY = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: {
    name: "search",
    arguments: { query: "a trivial thing" },
    _meta: {
      "io.modelcontextprotocol/protocolVersion": VERSION,
      "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1" },
      "io.modelcontextprotocol/clientCapabilities": {},
    },
  },
});

/** Calls for as long, each caller on a connection of its own; gives how long each call took. */
async function load({ url, authorization }: Asked, callers: number, forMs: number): Promise<readonly number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: callers });
  const untilMs = performance.now() + forMs;
  const took: number[] = [];
  const headers = {
    authorization,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(BODY),
    accept: "application/json, text/event-stream",
    "mcp-protocol-version": VERSION,
    "mcp-method": "tools/call",
    "mcp-name": "search",
  };
  const call = () =>
    new Promise<void>((resolve, reject) => {
      const outgoing = requestHttp(url, { method: "POST", agent, headers }, (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (piece: string) => {
          text += piece;
        });
        answer.on("end", () => {
          if (answer.statusCode === 200 && text.includes('"found"')) resolve();
          else reject(new Error(`a call was answered ${answer.statusCode}: ${text}`));
        });
      });
      outgoing.on("error", reject);
      outgoing.end(BODY);
    });
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (performance.now() < untilMs) {
        const startedMs = performance.now();
        await call();
        took.push(performance.now() - startedMs);
      }
    }),
  );
  agent.destroy();
  return took;
}

/** An agent whose server may be anywhere: the one that is asked has another port each time. */
const selectors = [`unix:uid:${process.getuid?.()}`];
const BRIDGED_ELEMENT = { type: "mcp_tool", identifier: "search", actions: ["read"], datatypes: ["internal"] };
const BRIDGED_ENTRIES = [
  { kind: "agent", name: "bridged", selectors, ceiling: [{ ...BRIDGED_ELEMENT, locations: ["*"] }] },
  { kind: "runtime", name: "bridged", selectors, agents: ["bridged"], allow_descendants: true },
];

/** A client that tells on standard output what its configuration has, and stays. */
const CLIENT = `const { mcpServers } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
const { url, headers } = mcpServers.bench;
process.stdout.write(JSON.stringify({ url, authorization: headers.Authorization }) + "\\n");
setInterval(() => undefined, 60_000);`;

function bridgeTo(url: string, socket: string): readonly string[] {
  const grant = JSON.stringify([{ ...BRIDGED_ELEMENT, locations: [url] }]);
  const step = ["--run", "bridge", "--step", "calls", "--agent", "bridged", "--grant", grant];
  const client = [process.execPath, "-e", CLIENT, "{config}"];
  const stint = ["--socket", `unix://${socket}`, "bridge", ...step, "--server", `bench=${url}`, "--", ...client];
  return [join(ROOT, "src/cli/stint.ts"), ...stint];
}

async function issuedToken(socket: string): Promise<string> {
  const channel = openChannel(socket);
  const opening = { runId: "guard", step: "calls", agent: "bench", grant: GRANT };
  const credentials = { jwtSvids: [{ audiences: [AUDIENCE] }] };
  const { jwtSvids } = await createClient(Steps, channel).open({ ...opening, credentials });
  channel.close();
  const outcome = jwtSvids[0]?.outcome;
  if (outcome?.case !== "svid") throw new Error("no credential came along");
  return outcome.value.svid;
}

async function startProcess(args: readonly string[], stream: "stdout" | "stderr", ready: RegExp) {
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const said = Promise.withResolvers<string>();
  for (const name of ["stdout", "stderr"] as const) {
    const input = child[name];
    if (input === null) continue;
    createInterface({ input }).on("line", (line) => {
      const [, found] = name === stream ? (ready.exec(line) ?? []) : [];
      if (found !== undefined) said.resolve(found);
    });
  }
  const exited = once(child, "exit");
  void exited.then(() => said.reject(new Error("a process of the bench has ended")));
  return {
    pid: child.pid ?? 0,
    said: await said.promise,
    async end() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
