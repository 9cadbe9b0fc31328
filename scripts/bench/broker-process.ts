import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { entriesOf, strangers } from "./workload.ts";

const STINTD = fileURLToPath(new URL("../stintd", import.meta.url));
/** Linux counts a process' CPU in these, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;

export type BrokerProcess = {
  readonly socket: string;
  readonly operatorSocket: string;
  /** CPU time of all its threads so far. */
  cpuSeconds(): number;
  residentMiB(): number;
  stop(): Promise<void>;
};

/**
 * Starts the daemon as it runs in production, on a real disk.
 *
 * @param entries - how many agents are registered besides those that the benchmark uses.
 */
export async function startBroker(entries = 0): Promise<BrokerProcess> {
  const directory = mkdtempSync(join(process.env["STINT_BENCH_DIR"] ?? tmpdir(), "stint-bench-"));
  const socket = join(directory, "workload.sock");
  const config = {
    trust_domain: "bench.example",
    issuer: "https://broker.bench.example",
    data_directory: join(directory, "data"),
    development: true,
    workload: { socket },
    operator: { socket: join(directory, "operator.sock") },
    ledger: { reserve_bytes: 1_048_576, disk_free_bytes_min: 1_048_576 },
    entries: [...entriesOf(), ...strangers(entries)],
  };
  const path = join(directory, "stint.yaml");
  writeFileSync(path, stringify(config, { aliasDuplicateObjects: false }));
  const child: ChildProcess = spawn(STINTD, ["run", "--config", path], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  if (child.stderr === null) throw new Error("no log");
  const serving = Promise.withResolvers<void>();
  createInterface({ input: child.stderr }).on("line", (line) => {
    if (line.includes('"serving"')) serving.resolve();
  });
  const exited = once(child, "exit");
  await Promise.race([
    serving.promise,
    exited.then(() => {
      throw new Error("the broker did not start");
    }),
  ]);
  const stat = () =>
    readFileSync(`/proc/${child.pid}/stat`, "latin1")
      .replace(/^.*\) /s, "")
      .split(" ");
  return {
    socket,
    operatorSocket: config.operator.socket,
    cpuSeconds: () => (Number(stat()[11]) + Number(stat()[12])) / TICKS_PER_SECOND,
    residentMiB: () =>
      Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/status`, "latin1"))?.[1] ?? 0) / 1_024,
    async stop() {
      child.kill("SIGTERM");
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
