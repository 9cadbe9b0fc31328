import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import type { Users } from "./users.ts";

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

/**
 * Runs `stintd` as a daemon would be run: a configuration file, a directory of its own, a user of its own.
 *
 * @param directory - others may look into it, but not into what the daemon keeps there.
 * @throws Error with the end of its log when it does not start
 */
export async function startBroker(
  directory: string,
  users: Users,
  resources: { readonly library: string; readonly archive: string },
): Promise<Broker> {
  const runDirectory = join(directory, "run");
  const dataDirectory = join(directory, "data");
  for (const [path, mode] of [
    [runDirectory, 0o755],
    [dataDirectory, 0o700],
  ] as const) {
    mkdirSync(path, { mode });
    if (users.broker !== undefined) chownSync(path, users.broker, users.broker);
  }
  const configPath = join(directory, "stint.yaml");
  const development = users.broker === undefined;
  const issuer = "https://stint.example.org";
  const config = {
    trust_domain: "example.org",
    issuer,
    data_directory: dataDirectory,
    workload: { socket: join(runDirectory, "workload.sock") },
    operator: { socket: join(runDirectory, "operator.sock") },
    // The demo opens seven steps; it need not fill a small disk.
    ledger: { reserve_bytes: 1_048_576, disk_free_bytes_min: 1_048_576 },
    development,
    entries: entriesFor(users, resources),
  };
  writeFileSync(configPath, stringify(config), { mode: 0o644 });
  const child = spawn(process.execPath, ["--disable-sigusr1", STINTD, "run", "--config", configPath], {
    stdio: ["ignore", "inherit", "pipe"],
    ...(users.broker === undefined ? {} : { uid: users.broker, gid: users.broker }),
  });
  const lines: string[] = [];
  const serving = Promise.withResolvers<boolean>();
  createInterface({ input: child.stderr }).on("line", (line) => {
    lines.push(line);
    if (line.includes('"msg":"serving"')) serving.resolve(true);
  });
  const exited = exitOf(child);
  if (!(await Promise.race([serving.promise, exited.then(() => false)]))) {
    throw new Error(`stintd did not start:\n${lines.slice(-10).join("\n")}`);
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

/** Who is who, by user alone; a program's path or digest would tell apart several programs of one user. */
function entriesFor(
  users: Users,
  resources: { readonly library: string; readonly archive: string },
): readonly object[] {
  const own = process.getuid?.() ?? 0;
  const user = (uid: number | undefined) => [`unix:uid:${uid ?? own}`];
  const at = (resource: string, identifier: string, action: string, datatypes: readonly string[]) => ({
    type: "mcp_tool",
    locations: [resource],
    identifier,
    actions: [action],
    datatypes,
  });
  const { library, archive } = resources;
  const search = at(library, "search", "read", ["public", "internal"]);
  return [
    { kind: "runtime", name: "planner", selectors: user(users.runtime), agents: ["researcher", "reader"] },
    {
      kind: "agent",
      name: "researcher",
      selectors: user(users.runtime),
      ceiling: [search, at(library, "index", "execute", ["public"])],
    },
    { kind: "agent", name: "reader", selectors: user(users.subAgent), ceiling: [search] },
    { kind: "verifier", name: "library", selectors: user(users.library), audiences: [library] },
    { kind: "verifier", name: "archive", selectors: user(users.archive), audiences: [archive] },
    { kind: "operator", name: "demo", selectors: user(own), role: "admin" },
  ];
}
