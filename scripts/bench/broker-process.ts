import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { stringify } from "yaml";
import { freePort } from "../../test/free-port.ts";
import { ROOT } from "./checkout.ts";
import { DELAY_FILE_VARIABLE } from "./event-loop-delay-file.ts";
import { entriesOf, TRUST_DOMAIN } from "./workload.ts";

const EVENT_LOOP_DELAY = new URL("event-loop-delay.ts", import.meta.url).href;

export type BrokerProcess = AsyncDisposable & {
  readonly socket: string;
  readonly operatorSocket: string;
  /** Where it writes the delay of its event loop when it is signaled, if it was started to watch that. */
  readonly delayFile: string;
  readonly metricsUrl: string;
  /** Another one after a restart. */
  pid(): number;
  /** Stops and starts it on the same data; gives how long the start took, in milliseconds. */
  restart(): Promise<number>;
};

/**
 * Starts a daemon as it runs in production, on a real disk, with data of its own that go when it is disposed of.
 *
 * @param options.directory - the checkout that it is started from; this one when absent.
 * @param options.policies - the `policies` section of its configuration; absent: what is so without one.
 * @param options.watchesEventLoop - a timer of one millisecond runs in it from the first signal on.
 */
export async function startBroker(
  options: {
    readonly directory?: string;
    /** The daemon's own path; absent: the checkout's, which is not built. */
    readonly program?: string;
    readonly policies?: object;
    /** Beside those of every run. */
    readonly entries?: readonly object[];
    /** Further sections of its configuration. */
    readonly config?: object;
    readonly watchesEventLoop?: boolean;
    /** Its log, where it is in PostgreSQL. */
    readonly postgres?: object;
    /** An existing one, which stays when the daemon has ended; absent: one of its own that goes with it. */
    readonly dataDirectory?: string;
  } = {},
): Promise<BrokerProcess> {
  const directory = mkdtempSync(join(process.env["STINT_BENCH_DIR"] ?? tmpdir(), "stint-bench-"));
  const socket = join(directory, "workload.sock");
  const operatorSocket = join(directory, "operator.sock");
  const delayFile = join(directory, "event-loop-delay.json");
  const port = await freePort();
  const config = {
    trust_domain: TRUST_DOMAIN,
    issuer: "https://broker.bench.example",
    data_directory: options.dataDirectory ?? join(directory, "data"),
    development: true,
    workload: { socket },
    operations: { listen: `127.0.0.1:${port}`, plain_on_loopback: true },
    // One user plays every part, and with each of them a thousand verifiers.
    limits: { connections_per_uid: 10_000 },
    operator: { socket: operatorSocket },
    ledger: {
      reserve_bytes: 1_048_576,
      disk_free_bytes_min: 1_048_576,
      ...(options.postgres === undefined ? {} : { postgres: options.postgres }),
    },
    entries: [...entriesOf(), ...(options.entries ?? [])],
    ...(options.policies === undefined ? {} : { policies: options.policies }),
    ...options.config,
  };
  const path = join(directory, "stint.yaml");
  writeFileSync(path, stringify(config, { aliasDuplicateObjects: false }));
  const stintd = options.program ?? join(options.directory ?? ROOT, "scripts/stintd");
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    // A checkout beside this one has no Node.js of its own.
    PATH: `${dirname(process.execPath)}${delimiter}${process.env["PATH"] ?? ""}`,
  };
  if (options.watchesEventLoop === true) {
    environment["NODE_OPTIONS"] = `${environment["NODE_OPTIONS"] ?? ""} --import=${EVENT_LOOP_DELAY}`;
    environment[DELAY_FILE_VARIABLE] = delayFile;
  }
  const start = () => serve(stintd, path, environment);
  let running = await start();
  return {
    socket,
    operatorSocket,
    delayFile,
    metricsUrl: `http://127.0.0.1:${port}/metrics`,
    pid: () => running.pid,
    async restart() {
      await end(running);
      const startedMs = performance.now();
      running = await start();
      return performance.now() - startedMs;
    },
    async [Symbol.asyncDispose]() {
      await end(running);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

type Running = { readonly child: ChildProcess; readonly pid: number; readonly exited: Promise<unknown> };

/** Logs go where nobody reads them, once it serves. */
async function serve(stintd: string, configPath: string, env: NodeJS.ProcessEnv): Promise<Running> {
  const child = spawn(stintd, ["run", "--config", configPath], { stdio: ["ignore", "ignore", "pipe"], env });
  const serving = Promise.withResolvers<void>();
  let said = "";
  let isServing = false;
  createInterface({ input: child.stderr }).on("line", (line) => {
    if (isServing) return;
    said += `${line}\n`;
    if (!line.includes('"serving"')) return;
    isServing = true;
    serving.resolve();
  });
  const exited = once(child, "exit");
  const failed = exited.then(() => {
    throw new Error(`${stintd} did not start:\n${said}`);
  });
  failed.catch(() => undefined);
  await Promise.race([serving.promise, failed]);
  return { child, pid: Number(child.pid), exited };
}

async function end({ child, exited }: Running): Promise<void> {
  child.kill("SIGTERM");
  await exited;
}
