// Runs as the first process of a PID namespace, where it can make the kernel give a pid out again.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import process from "node:process";
import { createUnixAttestor, type UnixAttestor } from "../../../src/adapters/attestor-unix/unix-attestor.ts";

const ATTEMPTS_MAX = 1_000;
const [path = ""] = process.argv.slice(2);
const QUICK = { executableDigest: false };

const kernels = [
  createUnixAttestor(),
  createUnixAttestor({ statusFilesMax: 0 }),
  createUnixAttestor(),
  createUnixAttestor({ pidfds: "opened" }),
] as const;
const [unix] = kernels;
const server = createServer().listen(path);
await once(server, "listening");

const script = "require('net').connect(process.argv[1]); setInterval(() => {}, 1000)";
const first = spawn(process.execPath, ["-e", script, path]);
const [socket] = (await once(server, "connection")) as [Socket];
socket.on("error", () => undefined);
const peers = kernels.map((kernel) => {
  const peer = kernel.adopt(Reflect.get(Reflect.get(socket, "_handle") as object, "fd") as number);
  if ("kind" in peer) throw new Error(peer.message);
  return { kernel, peer };
});
// With the status of the first process kept open, and without.
const outcomeBefore = await Promise.all(peers.slice(0, 2).map(({ kernel, peer }) => outcomeOf(kernel, peer)));
if (outcomeBefore.some((outcome) => outcome !== "attested")) throw new Error(outcomeBefore.join("; "));
const before = unix.watch.find(pidOf(first))?.process;
if (before === undefined) throw new Error("the first process is not found");
first.kill("SIGKILL");
await once(first, "exit");

const second = await startWithPid(pidOf(first));
const after = unix.watch.find(pidOf(second))?.process;
const outcomes = await Promise.all(peers.map(({ kernel, peer }) => outcomeOf(kernel, peer)));
const told = await new Promise<string>((resolve) => unix.watch.watch(before, () => resolve("gone")));
process.stdout.write(`reused ${JSON.stringify({ before, after, outcomes, told })}\n`);
second.kill("SIGKILL");
process.exit(0);

async function outcomeOf(
  kernel: UnixAttestor,
  peer: Parameters<UnixAttestor["attestor"]["attest"]>[0],
): Promise<string> {
  try {
    await kernel.attestor.attest(peer, QUICK);
    return "attested";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function startWithPid(pid: number): Promise<ChildProcess> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    writeFileSync("/proc/sys/kernel/ns_last_pid", `${pid - 1}`);
    const child = spawn("sleep", ["60"]);
    if (child.pid === pid) return child;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  throw new Error("the kernel did not give the pid out again");
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error("not started");
  return child.pid;
}
