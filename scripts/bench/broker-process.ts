import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { entriesOf } from "./workload.ts";

const STINTD = fileURLToPath(new URL("../stintd", import.meta.url));
/** Linux counts a process' CPU in these, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;

export type BrokerProcess = {
  readonly socket: string;
  readonly operatorSocket: string;
  /** CPU time of all its threads so far. */
  cpuSeconds(): number;
  residentMiB(): number;
  /** Stops and starts it on the same data; gives how long the start took, in milliseconds. */
  restart(): Promise<number>;
  stop(): Promise<void>;
};

/** Starts the daemon as it runs in production, on a real disk. */
export async function startBroker(): Promise<BrokerProcess> {
  const directory = mkdtempSync(join(process.env["STINT_BENCH_DIR"] ?? tmpdir(), "stint-bench-"));
  const socket = join(directory, "workload.sock");
  const operatorSocket = join(directory, "operator.sock");
  const config = {
    trust_domain: "bench.example",
    issuer: "https://broker.bench.example",
    data_directory: join(directory, "data"),
    development: true,
    workload: { socket },
    operator: { socket: operatorSocket },
    ledger: { reserve_bytes: 1_048_576, disk_free_bytes_min: 1_048_576 },
    entries: entriesOf(),
  };
  const path = join(directory, "stint.yaml");
  writeFileSync(path, stringify(config, { aliasDuplicateObjects: false }));
  let running = await serve(path);
  const stat = () =>
    readFileSync(`/proc/${running.child.pid}/stat`, "latin1")
      .replace(/^.*\) /s, "")
      .split(" ");
  return {
    socket,
    operatorSocket,
    cpuSeconds: () => (Number(stat()[11]) + Number(stat()[12])) / TICKS_PER_SECOND,
    residentMiB: () =>
      Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${running.child.pid}/status`, "latin1"))?.[1] ?? 0) / 1_024,
    async restart() {
      await end(running);
      const startedMs = performance.now();
      running = await serve(path);
      return performance.now() - startedMs;
    },
    async stop() {
      await end(running);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

type Running = { readonly child: ChildProcess; readonly exited: Promise<unknown> };

/** Logs go where nobody reads them, once it serves. */
async function serve(configPath: string): Promise<Running> {
  const child = spawn(STINTD, ["run", "--config", configPath], { stdio: ["ignore", "ignore", "pipe"] });
  if (child.stderr === null) throw new Error("no log");
  const serving = Promise.withResolvers<void>();
  createInterface({ input: child.stderr }).on("line", (line) => {
    if (line.includes('"serving"')) serving.resolve();
  });
  const exited = once(child, "exit");
  const failed = exited.then(() => {
    throw new Error("the broker did not start");
  });
  failed.catch(() => undefined);
  await Promise.race([serving.promise, failed]);
  return { child, exited };
}

async function end({ child, exited }: Running): Promise<void> {
  child.kill("SIGTERM");
  await exited;
}
