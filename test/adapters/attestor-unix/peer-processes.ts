import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, linkSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished } from "vitest";
import type { UnixAttestor, UnixPeer } from "../../../src/adapters/attestor-unix/unix-attestor.ts";

/** A child process that answers line by line. */
export type PeerProcess = {
  readonly child: ChildProcess;
  /** The next line it says that begins with a word, without that word. */
  said(word: string): Promise<readonly string[]>;
  tell(line: string): void;
  kill(): Promise<void>;
};

/** A listening socket whose connections are taken one by one. */
export type Listener = {
  readonly path: string;
  accepted(): Promise<Socket>;
  close(): Promise<void>;
};

export const isRoot = process.getuid?.() === 0;
export const NEEDS_ROOT = "needs root, to start processes under other users and in other namespaces";

const PEER_CHILD = fileURLToPath(new URL("./peer-child.ts", import.meta.url));

/** A directory that every user may look into, so that a socket in it can be reached under any uid. */
export function openDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "stint-"));
  chmodSync(directory, 0o755);
  return directory;
}

export async function listenIn(directory: string): Promise<Listener> {
  const path = join(directory, "test.sock");
  const arrived: Socket[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    arrived.push(socket);
    server.emit("arrived");
  });
  server.listen(path);
  await once(server, "listening");
  chmodSync(path, 0o666);
  const sockets: Socket[] = [];
  return {
    path,
    async accepted() {
      while (arrived.length === 0) await once(server, "arrived");
      const [socket] = arrived.splice(0, 1);
      if (socket === undefined) throw new Error("no connection");
      sockets.push(socket);
      return socket;
    },
    async close() {
      for (const socket of [...sockets, ...arrived]) socket.destroy();
      server.close();
      await once(server, "close");
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The number of a socket's descriptor. */
export function descriptorOf(socket: Socket): number {
  return (Reflect.get(socket, "_handle") as { readonly fd: number }).fd;
}

/** Starts any program and reads its lines; what it says on standard error shows in the test's output. */
export function start(command: string, args: readonly string[]): PeerProcess {
  const child = spawn(command, [...args], { stdio: ["pipe", "pipe", "inherit"], cwd: "/" });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    child.emit("said");
  });
  const exited = once(child, "exit");
  return {
    child,
    async said(word) {
      for (;;) {
        const found = lines.findIndex((line) => line.split(" ")[0] === word);
        const [line] = found < 0 ? [] : lines.splice(found, 1);
        if (line !== undefined) return line.split(" ").slice(1);
        if (child.exitCode !== null || child.signalCode !== null) {
          throw new Error(`ended without saying "${word}", but: ${lines.join("; ")}`);
        }
        await Promise.race([once(child, "said"), exited]);
      }
    },
    tell: (line) => child.stdin.write(`${line}\n`),
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** Starts a process that connects to the path; `before` is what runs it, e.g. `["unshare", "-m"]`. */
export function startPeer(
  path: string,
  options: {
    readonly before?: readonly string[];
    readonly node?: string;
    readonly ids?: { readonly uid?: number; readonly gid?: number; readonly groups?: readonly number[] };
  } = {},
): PeerProcess {
  const [command, ...args] = [
    ...(options.before ?? []),
    options.node ?? process.execPath,
    "--disable-warning=ExperimentalWarning",
    PEER_CHILD,
    path,
    JSON.stringify(options.ids ?? {}),
  ];
  return start(command ?? "", args);
}

/** A peer of a connection that was just accepted, until the end of the test. */
export function adopt(socket: Socket, by: UnixAttestor): UnixPeer {
  const peer = by.adopt(descriptorOf(socket));
  if ("kind" in peer) throw new Error(peer.message);
  onTestFinished(peer.close);
  return peer;
}

/** Starts a process that connects, and adopts it. Both end with the test. */
export async function connectPeer(
  listener: Listener,
  by: UnixAttestor,
  options: Parameters<typeof startPeer>[1] = {},
): Promise<{ readonly peer: UnixPeer; readonly process: PeerProcess; readonly startTimeTicks: number }> {
  const started = startPeer(listener.path, options);
  onTestFinished(started.kill);
  const peer = adopt(await listener.accepted(), by);
  const [, startTimeTicks] = await started.said("connected");
  return { peer, process: started, startTimeTicks: Number(startTimeTicks) };
}

/** Whether a command can be run here, and succeeds. */
export function succeeds([command = "", ...args]: readonly string[]): boolean {
  return spawnSync(command, args).status === 0;
}

/** Puts an executable at a path that every user may execute. */
export function placeExecutable(from: string, to: string): string {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
  return to;
}

export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** The files of /proc that this process has open and that end with a name, e.g. `/proc/4711/status`; sorted. */
export function openProcFiles(name: string): readonly string[] {
  return readdirSync("/proc/self/fd")
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        // The descriptor by which the directory itself was read.
        return "";
      }
    })
    .filter((path) => path.startsWith("/proc/") && path.endsWith(`/${name}`))
    .sort();
}

/** Expects what will come true without anybody saying when, within a bound that a slow machine does not reach. */
export function eventually<T>(get: () => T | Promise<T>): ReturnType<typeof expect.poll<T>> {
  return expect.poll(get, { timeout: 15_000, interval: 20 });
}
