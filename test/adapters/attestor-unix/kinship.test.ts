import { readFileSync } from "node:fs";
import process from "node:process";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { createUnixAttestor, type UnixAttestor } from "../../../src/adapters/attestor-unix/unix-attestor.ts";
import type { ProcessIdentity } from "../../../src/domain/process.ts";
import { start } from "./peer-processes.ts";

let unix: UnixAttestor;
beforeAll(() => {
  unix = createUnixAttestor();
});
afterAll(() => unix.close());

function identityOf(pid: number): ProcessIdentity {
  const found = unix.watch.find(pid);
  if (found === undefined) throw new Error(`no process ${pid}`);
  return found.process;
}

/** A shell that runs a script, and the pid that the script says. */
async function saidBy(script: string, before: readonly string[] = []): Promise<ProcessIdentity> {
  const [command = "", ...args] = [...before, "sh", "-c", script];
  const shell = start(command, args);
  onTestFinished(() => shell.kill());
  const [pid] = await shell.said("pid");
  return identityOf(Number(pid));
}

const chainOf = (one: ProcessIdentity) => {
  const lineage = unix.kinship.lineageOf(one);
  if (lineage.kind === "untold") throw new Error("untold");
  return lineage.chain;
};

test("a lineage goes from a process up to the first that can be seen", async () => {
  const shell = await saidBy("echo pid $$; exec sleep 1000");
  const chain = chainOf(shell);
  expect(chain[0]?.process).toEqual(shell);
  expect(chain[1]?.process).toEqual(identityOf(process.pid));
  expect(chain.at(-1)?.process.pid).toBe(1);
});

test("a child of an ordinary process can't be an orphan, in whatever session it is", async () => {
  for (const before of [[], ["setsid"]]) {
    const [own] = chainOf(await saidBy("echo pid $$; exec sleep 1000", before));
    expect(own?.orphanIn).toBeUndefined();
  }
});

test("a child of the first process may be an orphan, and is shown with its place", async () => {
  const orphan = await saidBy("(sleep 1000 & echo pid $!); exec sleep 1000");
  onTestFinished(() => void process.kill(orphan.pid, "SIGKILL"));
  await expect.poll(() => chainOf(orphan)[1]?.process.pid).toBe(1);
  const [own] = chainOf(orphan);
  expect(own?.orphanIn).toEqual(unix.kinship.placeOf(orphan));
  const session = Number(readFileSync(`/proc/${orphan.pid}/stat`, "latin1").split(" ")[5]);
  expect(own?.orphanIn).toEqual({ session, controlGroup: expect.stringMatching(/^\//) });
});

test("a process in another session than its parent's, which it did not make, is an orphan whoever took it in", async () => {
  // Under a subreaper of no known name; only a program in C or Python can become one.
  const script = [
    "import ctypes, os, sys, time",
    "ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)",
    "if os.fork() == 0:",
    "    os.setsid()",
    "    pid = os.fork()",
    "    if pid == 0: time.sleep(1000)",
    "    print('pid', pid, flush=True)",
    "    os._exit(0)",
    "time.sleep(1000)",
  ].join("\n");
  const reaper = start("python3", ["-c", script]);
  onTestFinished(() => reaper.kill());
  const [pid] = await reaper.said("pid");
  const orphan = identityOf(Number(pid));
  onTestFinished(() => void process.kill(orphan.pid, "SIGKILL"));
  await expect.poll(() => chainOf(orphan)[1]?.process.pid).toBe(reaper.child.pid);
  expect(chainOf(orphan)[0]?.orphanIn).toBeDefined();
});

test("nothing is told of a process that has ended, or of another with its pid", async () => {
  const shell = await saidBy("echo pid $$; exec sleep 1000");
  const other = { ...shell, startTimeTicks: shell.startTimeTicks + 1 };
  process.kill(shell.pid, "SIGKILL");
  await expect.poll(() => unix.watch.find(shell.pid)).toBeUndefined();
  for (const gone of [shell, other, { ...shell, bootId: "another" }]) {
    expect(unix.kinship.lineageOf(gone)).toEqual({ kind: "untold" });
    expect(unix.kinship.placeOf(gone)).toBeUndefined();
  }
});

test("all that is alive is listed", async () => {
  const shell = await saidBy("echo pid $$; exec sleep 1000");
  const alive = unix.kinship.alive();
  expect(alive).toContainEqual(shell);
  expect(alive).toContainEqual(identityOf(process.pid));
});
