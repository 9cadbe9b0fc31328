import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";

const STINTD = fileURLToPath(new URL("../../src/cli/stintd.ts", import.meta.url));
const STOP_MS_MAX = 10_000;

export type Broker = {
  readonly pid: number;
  readonly issuer: string;
  /** As in `SPIFFE_ENDPOINT_SOCKET`. */
  readonly endpoint: string;
  readonly operatorSocket: string;
  readonly development: boolean;
  /** All that it has logged so far. */
  log(): string;
  stop(): Promise<void>;
};

export class BrokerDidNotStart extends Error {
  override readonly name = "BrokerDidNotStart";
  /** The end of its log. */
  readonly log: string;

  constructor(log: string) {
    super(`stintd did not start:\n${log}`);
    this.log = log;
  }
}

/**
 * Runs `stintd` as a daemon would be run: a configuration file, a directory of its own, a user of its own.
 *
 * @param directory - others may look into it, but not into what the daemon keeps there.
 * @param user - the daemon's own. Absent: this process's, which a broker accepts in development alone.
 * @throws BrokerDidNotStart
 */
export async function startBroker(
  directory: string,
  user: number | undefined,
  settings: { readonly entries: readonly object[]; readonly [section: string]: unknown },
): Promise<Broker> {
  const runDirectory = join(directory, "run");
  const dataDirectory = join(directory, "data");
  for (const [path, mode] of [
    [runDirectory, 0o755],
    [dataDirectory, 0o700],
  ] as const) {
    mkdirSync(path, { mode, recursive: true });
    if (user !== undefined) chownSync(path, user, user);
  }
  const configPath = join(directory, "stint.yaml");
  const development = user === undefined;
  const issuer = "https://stint.example.org";
  const config = {
    trust_domain: "example.org",
    issuer,
    data_directory: dataDirectory,
    workload: { socket: join(runDirectory, "workload.sock") },
    operator: { socket: join(runDirectory, "operator.sock") },
    // For a few dozen steps there is no need to fill a small disk.
    ledger: { reserve_bytes: 1_048_576, disk_free_bytes_min: 1_048_576 },
    development,
    ...settings,
  };
  writeFileSync(configPath, stringify(config), { mode: 0o644 });
  const child = spawn(process.execPath, ["--disable-sigusr1", STINTD, "run", "--config", configPath], {
    stdio: ["ignore", "inherit", "pipe"],
    ...(user === undefined ? {} : { uid: user, gid: user }),
  });
  const lines: string[] = [];
  const serving = Promise.withResolvers<boolean>();
  createInterface({ input: child.stderr }).on("line", (line) => {
    lines.push(line);
    if (line.includes('"msg":"serving"')) serving.resolve(true);
  });
  const exited = exitOf(child);
  if (!(await Promise.race([serving.promise, exited.then(() => false)]))) {
    throw new BrokerDidNotStart(lines.slice(-10).join("\n"));
  }
  return {
    pid: child.pid ?? 0,
    issuer,
    endpoint: `unix://${config.workload.socket}`,
    operatorSocket: config.operator.socket,
    development,
    log: () => lines.join("\n"),
    async stop() {
      child.kill("SIGTERM");
      const impatience = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
      await exited;
      clearTimeout(impatience);
    },
  };
}

async function exitOf(child: ChildProcess): Promise<void> {
  await once(child, "exit").catch(() => undefined);
}
