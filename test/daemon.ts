import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { stringify } from "yaml";
import { STINTD } from "./programs.ts";

/** One line of the daemon's log. */
export type LogLine = { readonly msg?: string; readonly [member: string]: unknown };

export type Daemon = {
  readonly directory: string;
  readonly workloadSocket: string;
  readonly operatorSocket: string;
  readonly httpUrl: string;
  /** Of the broker endpoint over TCP, where the configuration has one. */
  readonly brokerPort: number;
  readonly pid: number;
  readonly child: ChildProcess;
  readonly log: readonly LogLine[];
  /** Everything on standard error, as it came. */
  readonly stderr: () => string;
  /** SIGTERM, and the exit status. Keeps the directory. */
  stop(): Promise<number | null>;
  /** `kill -9`. Keeps the directory. */
  kill(): Promise<void>;
  /** The same data, a new process. */
  restart(): Promise<Daemon>;
  [Symbol.asyncDispose](): Promise<void>;
};

type ConfigOf = (directory: string) => Readonly<Record<string, unknown>>;

export type DaemonOptions = {
  readonly entries?: readonly object[];
  /** Merged over the configuration; for what names paths, a function of the daemon's directory. */
  readonly config?: ConfigOf | Readonly<Record<string, unknown>>;
  readonly directory?: string;
  readonly environment?: NodeJS.ProcessEnv;
  /** Put before the command, e.g. `["prlimit", "--nofile=64"]`. */
  readonly wrapper?: readonly string[];
  /** Absent: this version's `stintd`. */
  readonly program?: string;
  /** Absent: those without which the daemon would first start anew. */
  readonly nodeFlags?: readonly string[];
  /** Run in place of Node.js and a program for it. */
  readonly executable?: string;
};

/** What V8 does for who lives long, and daemons of tests do not live to see: a quarter of the CPU of their start. */
const SHORT_LIVED = ["--liftoff-only", "--min-semi-space-size=8"];

/** Starts a real daemon of its own on real sockets, with a directory that goes when it is disposed of. */
export async function startDaemon(options: DaemonOptions = {}): Promise<Daemon> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), "stint-"));
  // The sockets are for other users too; what is in `data` is the daemon's alone.
  chmodSync(directory, 0o755);
  const workloadSocket = join(directory, "workload.sock");
  const operatorSocket = join(directory, "operator.sock");
  const configPath = join(directory, "stint.yaml");
  const config = {
    trust_domain: "example.org",
    issuer: "https://broker.example.org",
    data_directory: join(directory, "data"),
    development: true,
    workload: { socket: workloadSocket, mode: "0666" },
    operator: { socket: operatorSocket },
    http: { listen: "127.0.0.1:0", plain_on_loopback: true },
    ledger: { reserve_bytes: 1_048_576, disk_free_bytes_min: 1_048_576 },
    entries: options.entries ?? [],
    ...(typeof options.config === "function" ? options.config(directory) : options.config),
  };
  writeFileSync(configPath, stringify(config));

  const nodeFlags = options.nodeFlags ?? ["--disable-sigusr1", ...SHORT_LIVED];
  const { wrapper = [], program = STINTD, executable } = options;
  const started = executable === undefined ? [process.execPath, ...nodeFlags, program] : [executable];
  const command = [...wrapper, ...started, "run", "--config", configPath];
  const child = spawn(command[0] ?? "", command.slice(1), {
    stdio: ["ignore", "inherit", "pipe"],
    env: { ...process.env, ...options.environment },
  });
  const log: LogLine[] = [];
  let stderr = "";
  const serving = Promise.withResolvers<LogLine>();
  createInterface({ input: child.stderr }).on("line", (line) => {
    stderr += `${line}\n`;
    const parsed = parseLine(line);
    log.push(parsed);
    if (parsed.msg === "serving") serving.resolve(parsed);
  });
  const exited = once(child, "exit") as Promise<[number | null]>;
  const first = await Promise.race([serving.promise, exited.then(() => undefined)]);
  if (first === undefined) {
    if (options.directory === undefined) rmSync(directory, { recursive: true, force: true });
    throw new Error(`stintd did not start:\n${stderr}`);
  }

  const daemon: Daemon = {
    directory,
    workloadSocket,
    operatorSocket,
    httpUrl: String(first["http"]),
    brokerPort: Number(first["brokerPort"]),
    pid: Number(first["daemonPid"]),
    child,
    log,
    stderr: () => stderr,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
      const [status] = await exited;
      return status;
    },
    async kill() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await exited;
    },
    restart: () => startDaemon({ ...options, directory }),
    async [Symbol.asyncDispose]() {
      await daemon.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return daemon;
}

/** Whether a line tells of a fault, or of something worse. */
export function isFault({ level }: LogLine): boolean {
  return level === "error" || level === "fatal";
}

export function parseLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return { msg: line };
  }
}
