import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { onTestFinished, vi } from "vitest";
import { parse } from "yaml";
import { ROOT, type Unpacked } from "./unpacked.ts";

/** As much of a compose file as this one uses. */
export type Service = {
  readonly image: string;
  readonly user: string;
  readonly read_only: boolean;
  readonly cap_drop: readonly string[];
  readonly security_opt: readonly string[];
  readonly network_mode: string;
  readonly pid?: string;
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly attach?: boolean;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
};
export type Compose = {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, object>>;
};

export const COMPOSE = parse(readFileSync(join(ROOT, "compose.yaml"), "utf8"), { merge: true }) as Compose;

export type Container = {
  /** Pid of the service's first process, as the host sees it. */
  readonly first: number;
  readonly out: Promise<string>;
  readonly exited: Promise<number | null>;
};

/** More often than any service takes to be healthy: each time a program is started. */
const ASKED_TIMES_MAX = 100;

/**
 * Runs services of the compose file as a container runtime does, with its very commands: a root that is read-only, namespaces of its own or
 * another service's, its user and no other privilege, its volumes. What it depends on is there first, and healthy where that is asked for.
 */
export function createServices({ rootfs, config }: Unpacked, folder: string) {
  const running = new Map<string, Promise<Container>>();

  const up = (name: string): Promise<Container> => {
    const known = running.get(name) ?? start(name);
    running.set(name, known);
    return known;
  };

  async function start(name: string): Promise<Container> {
    const service = serviceOf(name);
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      await up(other);
      if (condition === "service_healthy") await healthy(other);
    }
    const networkOf = await sharedWith(service.network_mode);
    const pidsOf = await sharedWith(service.pid);
    const namespaces = [
      ...(networkOf === undefined ? ["--net"] : []),
      ...(pidsOf === undefined ? ["--pid", "--fork", "--kill-child"] : []),
    ];
    const joined = [
      ...(networkOf === undefined ? [] : [`--net=/proc/${networkOf.first}/ns/net`]),
      ...(pidsOf === undefined ? [] : [`--pid=/proc/${pidsOf.first}/ns/pid`]),
    ];
    const script = [
      ...(networkOf === undefined ? ["ip link set lo up"] : []),
      'mount --bind "$0" "$0"',
      'mount -t proc proc "$0/proc"',
      'mount --bind /dev "$0/dev"',
      ...service.volumes.map(mountOf),
      ...(service.read_only ? ['mount -o remount,bind,ro "$0"'] : []),
      'exec env -i "$@"',
    ].join(" && ");
    const [, gid = ""] = service.user.split(":");
    const confined = ["/usr/bin/setpriv", "--no-new-privs", "/usr/sbin/chroot"];
    const user = [`--userspec=${service.user}`, `--groups=${gid}`, rootfs];
    const command = service.entrypoint ?? [...config.Entrypoint, ...config.Cmd];
    const variables = Object.entries(environmentOf(service)).map(([key, value]) => `${key}=${value}`);
    const run = ["sh", "-c", script, rootfs, ...variables, ...confined, ...user, ...command];
    const child = spawn("nsenter", [...joined, "unshare", "--mount", ...namespaces, ...run], {
      stdio: ["ignore", "pipe", service.attach === false ? "ignore" : "inherit"],
    });
    const exited = once(child, "exit").then(([status]) => status as number | null);
    const out = text(child.stdout);
    const first = await firstBelow(child);
    // Its own, and with it all that is in its PID namespace: what waits for it then ends by itself.
    onTestFinished(() => kill(first));
    return { first, out, exited };
  }

  /** Until its health check says so, which is run in it. */
  async function healthy(name: string): Promise<void> {
    const { healthcheck } = serviceOf(name);
    if (healthcheck === undefined) throw new Error(`${name} has no health check`);
    for (let asked = 1; ; asked += 1) {
      try {
        await execute(name, healthcheck.test.slice(1));
        return;
      } catch (thrown) {
        if (asked === ASKED_TIMES_MAX) throw thrown;
      }
    }
  }

  /** Runs a command in a service that runs, as `docker compose exec` does. */
  async function execute(name: string, command: readonly string[]): Promise<string> {
    const service = serviceOf(name);
    const [uid = "", gid = ""] = service.user.split(":");
    const { first } = await up(name);
    const inside = ["--target", String(first), "--mount", "--pid", "--net", "--root", "--wd"];
    const args = [...inside, "--setuid", uid, "--setgid", gid, ...command];
    return (await promisify(execFile)("/usr/bin/nsenter", args, { env: environmentOf(service) })).stdout;
  }

  function serviceOf(name: string): Service {
    const service = COMPOSE.services[name];
    if (service === undefined) throw new Error(`no service ${name}`);
    return service;
  }

  /** The service whose namespace is shared, if so. */
  async function sharedWith(mode: string | undefined): Promise<Container | undefined> {
    const [kind, name] = (mode ?? "").split(":");
    return kind === "service" && name !== undefined ? up(name) : undefined;
  }

  const environmentOf = ({ environment }: Service) => ({
    ...Object.fromEntries(config.Env.map((one) => one.split("=", 2))),
    ...environment,
  });

  /** Makes the place of a volume in the root, and gives the command that mounts it there. */
  function mountOf(volume: string): string {
    const [source = "", target = "", mode = "rw"] = volume.split(":");
    const at = join(rootfs, target);
    const isFile = source.startsWith("./");
    const from = isFile ? join(ROOT, source) : volumeOf(source, target);
    mkdirSync(isFile ? dirname(at) : at, { recursive: true });
    if (isFile) writeFileSync(at, "");
    return `mount --bind "${from}" "${at}"${mode === "ro" ? ` && mount -o remount,bind,ro "${at}"` : ""}`;
  }

  /** A named volume begins as what the image has there, with its owner and mode. */
  function volumeOf(name: string, target: string): string {
    const directory = join(folder, "volumes", name);
    if (COMPOSE.volumes[name] === undefined) throw new Error(`no volume ${name}`);
    if (mkdirSync(directory, { recursive: true }) !== undefined) {
      execFileSync("cp", ["--archive", "--no-target-directory", join(rootfs, target), directory]);
    }
    return directory;
  }

  return { up, execute };
}

/** The one process that entering or making a PID namespace takes below it: by then it is in all namespaces that are joined or made. */
function firstBelow({ pid }: ChildProcess): Promise<number> {
  return vi.waitFor(() => {
    const [first = ""] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
    if (first === "") throw new Error("there is no process yet");
    return Number(first);
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}
