import { type ChildProcess, execFileSync, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as pass } from "node:timers/promises";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { freePort } from "../../test/free-port.ts";
import { type BrokerProcess, startBroker } from "./broker-process.ts";
import { ROOT } from "./checkout.ts";
import { AUDIENCE, GRANT, percentile } from "./workload.ts";

/** What a process of simulated verifiers is told. */
export type ListenersAsked = {
  readonly server: string;
  readonly keysUrl: string;
  readonly issuer: string;
  readonly connections: number;
  readonly perConnection: number;
};

/** What it has heard since it was asked last; times are of the machine's monotonic clock. */
export type Heard = {
  readonly refusedMs: readonly (readonly [stepId: string, atMs: readonly number[]])[];
  readonly heartbeats: number;
  readonly gaps: number;
};

export type NatsMeasured = {
  readonly verifiers: number;
  readonly closes: number;
  /** Until the close is answered. */
  readonly returnedP50Ms: number;
  /** From when the close was asked for until a verifier refuses. */
  readonly refusedP50Ms: number;
  readonly refusedP99Ms: number;
  readonly refusedMaxMs: number;
  /** CPU of the broker from one close to the next, with all else that it does in that time. */
  readonly brokerMsPerClose: number;
  readonly brokerIdleShare: number;
  /** Shares of a core, while steps are closed. */
  readonly serverShare: number;
  readonly listenersShare: number;
  /** Of all that were to be heard. */
  readonly heardShare: number;
  readonly gaps: number;
};

const ISSUER = "https://broker.bench.example";
/** So that everybody has heard of one close before the next. */
const PACE_MS = 1_500;
const PER_CONNECTION_MAX = 1_000;
/** One thread does not take in a hundred thousand heartbeats a second beside the closes. */
const PROCESSES = 2;

/** A broker, a nats-server, and means to measure with some verifiers after others. */
export async function natsBench(): Promise<
  AsyncDisposable & { measure(verifiers: number, closes: number): Promise<NatsMeasured> }
> {
  const nats = await startServer();
  const httpPort = await freePort();
  const broker = await startBroker({
    config: {
      http: { listen: `127.0.0.1:${httpPort}`, plain_on_loopback: true },
      nats: { servers: [`nats://${nats.address}`] },
    },
  });
  const keysUrl = `http://127.0.0.1:${httpPort}/keys/events.json`;
  return {
    async measure(verifiers, closes) {
      const perConnection = Math.min(PER_CONNECTION_MAX, verifiers);
      const connections = Math.ceil(verifiers / perConnection);
      const processes = Math.min(PROCESSES, connections);
      const asked = { server: nats.address, keysUrl, issuer: ISSUER, perConnection };
      const listeners = await Promise.all(
        Array.from({ length: processes }, () => listening({ ...asked, connections: connections / processes })),
      );
      try {
        return await measured({ broker, server: nats.child, listeners, verifiers, closes });
      } finally {
        for (const one of listeners) one.kill("SIGKILL");
        await Promise.all(listeners.map((one) => once(one, "exit")));
      }
    },
    async [Symbol.asyncDispose]() {
      await broker[Symbol.asyncDispose]();
      await nats[Symbol.asyncDispose]();
    },
  };
}

async function measured(of: {
  readonly broker: BrokerProcess;
  readonly server: ChildProcess;
  readonly listeners: readonly ChildProcess[];
  readonly verifiers: number;
  readonly closes: number;
}): Promise<NatsMeasured> {
  const { broker, server, listeners, verifiers, closes } = of;
  const channel = openChannel(broker.socket);
  const steps = createClient(Steps, channel);
  const ids: string[] = [];
  for (let number = 0; number < closes; number += 1) {
    const { step } = await steps.open({
      ...{ runId: `nats-${verifiers}-${process.hrtime.bigint()}`, step: "s", agent: "bench", grant: GRANT },
      credentials: { jwtSvids: [{ audiences: [AUDIENCE] }] },
    });
    ids.push(step?.stepId ?? "");
  }
  const closed = new Map<string, number>();
  const returnedMs: number[] = [];
  const cpuOfAll = () =>
    [broker.pid(), server.pid, ...listeners.map(({ pid }) => pid)].map((pid) => cpuMs(Number(pid)));
  const spent = async (work: (at: number) => Promise<unknown>) => {
    const before = cpuOfAll();
    const startedMs = performance.now();
    for (let at = 0; at < closes; at += 1) {
      const dueMs = startedMs + (at + 1) * PACE_MS;
      await work(at);
      await pass(Math.max(0, dueMs - performance.now()));
    }
    const after = cpuOfAll();
    const wallMs = performance.now() - startedMs;
    const [ofBroker = 0, ofServer = 0, ...ofListeners] = after.map((ms, index) => ms - (before[index] ?? 0));
    return { ofBroker, ofServer, ofListeners: ofListeners.reduce((sum, ms) => sum + ms, 0), wallMs };
  };
  await Promise.all(listeners.map(heard));
  const busy = await spent(async (at) => {
    const stepId = ids[at] ?? "";
    closed.set(stepId, Number(process.hrtime.bigint()) / 1e6);
    const askedMs = performance.now();
    await steps.close({ stepId, outcome: 1 });
    returnedMs.push(performance.now() - askedMs);
  });
  returnedMs.sort((a, b) => a - b);
  const all = await Promise.all(listeners.map(heard));
  const idle = await spent(async () => undefined);
  channel.close();
  const times = all.flatMap(({ refusedMs }) =>
    refusedMs.flatMap(([stepId, instants]) => instants.map((atMs) => atMs - (closed.get(stepId) ?? Number.NaN))),
  );
  times.sort((a, b) => a - b);
  return {
    ...{ verifiers, closes },
    gaps: all.reduce((sum, { gaps }) => sum + gaps, 0),
    returnedP50Ms: percentile(returnedMs, 0.5),
    refusedP50Ms: percentile(times, 0.5),
    refusedP99Ms: percentile(times, 0.99),
    refusedMaxMs: times.at(-1) ?? Number.NaN,
    brokerMsPerClose: busy.ofBroker / closes,
    brokerIdleShare: idle.ofBroker / idle.wallMs,
    serverShare: busy.ofServer / busy.wallMs,
    listenersShare: busy.ofListeners / busy.wallMs,
    heardShare: times.length / (verifiers * closes),
  };
}

/** CPU time of all threads of a process, in milliseconds: by the scheduler's count, which is finer than ticks. */
function cpuMs(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const ofTask = (task: string) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "latin1").split(" ")[0]);
  return tasks.reduce((sum, task) => sum + ofTask(task), 0) / 1e6;
}

async function heard(listeners: ChildProcess): Promise<Heard> {
  const answer = once(listeners, "message");
  listeners.send("tell");
  const [said] = (await answer) as [Heard];
  return said;
}

async function listening(asked: ListenersAsked): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, "nats-listeners.ts"), [JSON.stringify(asked)], {
    serialization: "advanced",
    execArgv: ["--max-old-space-size=6000"],
  });
  await once(child, "message");
  return child;
}

async function startServer(): Promise<AsyncDisposable & { readonly address: string; readonly child: ChildProcess }> {
  const program = join(ROOT, "build/conformance/nats-server");
  mkdirSync(join(program, ".."), { recursive: true });
  execFileSync("go", ["build", "-trimpath", "-o", program, "github.com/nats-io/nats-server/v2"], {
    cwd: join(ROOT, "test/conformance/nats"),
  });
  const folder = mkdtempSync(join(process.env["STINT_BENCH_DIR"] ?? tmpdir(), "stint-bench-nats-"));
  const port = await freePort();
  const child = spawn(program, ["-js", "-sd", folder, "-a", "127.0.0.1", "-p", String(port)], { stdio: "ignore" });
  return {
    ...{ address: `127.0.0.1:${port}`, child },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await once(child, "exit");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
