import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { createUnixAttestor, type UnixAttestor } from "../../../src/adapters/attestor-unix/unix-attestor.ts";
import type { ProcessIdentity } from "../../../src/domain/process.ts";
import { eventually, openDescriptors, type PeerProcess, start } from "./peer-processes.ts";

let unix: UnixAttestor;

beforeEach(() => {
  unix = createUnixAttestor();
});

afterEach(() => unix.close());

function sleeping(): { readonly process: PeerProcess; readonly identity: ProcessIdentity } {
  const started = start("sleep", ["60"]);
  onTestFinished(started.kill);
  return { process: started, identity: identityOf(started.child.pid ?? 0) };
}

function identityOf(pid: number): ProcessIdentity {
  const found = unix.watch.find(pid);
  if (found === undefined) throw new Error("not found");
  return found.process;
}

function gone(identity: ProcessIdentity): Promise<"gone"> {
  return new Promise((resolve) => unix.watch.watch(identity, () => resolve("gone")));
}

test("tells when a process ends", async () => {
  const { process: one, identity } = sleeping();
  const told = gone(identity);

  await one.kill();

  expect(await told).toBe("gone");
});

test("tells each of those who watch the same process, once", async () => {
  const { process: one, identity } = sleeping();
  const other = sleeping();
  const calls = [0, 0, 0];
  for (const index of calls.keys()) {
    unix.watch.watch(identity, () => {
      calls[index] = (calls[index] ?? 0) + 1;
    });
  }

  await one.kill();
  await eventually(() => calls).toEqual([1, 1, 1]);
  // Another round of looking has gone by when this one is told.
  const told = gone(other.identity);
  await other.process.kill();
  await told;

  expect(calls).toEqual([1, 1, 1]);
});

test("a watcher that throws keeps no other from being told", async () => {
  const { process: one, identity } = sleeping();
  const thrown = new Promise<unknown>((resolve) => {
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.once("uncaughtException", (error) => {
      for (const listener of others) process.on("uncaughtException", listener);
      resolve(error);
    });
  });
  unix.watch.watch(identity, () => {
    throw new Error("from the first");
  });
  const told = gone(identity);

  await one.kill();

  expect(await told).toBe("gone");
  expect(await thrown).toEqual(new Error("from the first"));
});

test("a zombie is gone", async () => {
  // The shell becomes a program that does not wait for the child it inherits.
  const parent = start("sh", ["-c", "sleep 60 & echo started $!; exec sleep 60"]);
  onTestFinished(parent.kill);
  const [pid] = await parent.said("started");
  const told = gone(identityOf(Number(pid)));

  process.kill(Number(pid), "SIGKILL");

  expect(await told).toBe("gone");
  expect(readFileSync(`/proc/${pid}/stat`, "latin1")).toContain(") Z ");
  expect(unix.watch.find(Number(pid))).toBeUndefined();
});

test.for<{ why: string; of: (identity: ProcessIdentity) => ProcessIdentity }>([
  { why: "has another start time: its pid was given out again", of: (one) => ({ ...one, startTimeTicks: 1 }) },
  { why: "was of another boot", of: (one) => ({ ...one, bootId: "00000000-0000-0000-0000-000000000000" }) },
  { why: "was of another PID namespace", of: (one) => ({ ...one, pidNamespace: "1" }) },
  { why: "has a pid that can't be", of: (one) => ({ ...one, pid: -1 }) },
])("a process is gone that $why", async ({ of }) => {
  expect(await gone(of(sleeping().identity))).toBe("gone");
});

test("tells of a process that was gone already", async () => {
  const { process: one, identity } = sleeping();
  await one.kill();

  expect(await gone(identity)).toBe("gone");
});

test("tells nobody who has stopped watching, even of a process that is gone already", async () => {
  const { process: one, identity } = sleeping();
  const other = sleeping();
  const calls: string[] = [];
  const stop = unix.watch.watch(identity, () => calls.push("stopped"));
  stop();
  await one.kill();
  const stopLate = unix.watch.watch(identity, () => calls.push("stopped at once"));
  stopLate();
  // Stopping twice must not stop the others.
  const told = gone(other.identity);
  stop();
  stopLate();
  await other.process.kill();

  expect(await told).toBe("gone");
  expect(calls).toEqual([]);
});

test("stopping a watch again ends no later watch of the same process", async () => {
  const { process: one, identity } = sleeping();
  const stop = unix.watch.watch(identity, () => undefined);
  stop();
  const told = gone(identity);

  stop();
  await one.kill();

  expect(await told).toBe("gone");
});

test("takes one descriptor a process, however many watch it, and gives all back", () => {
  const processes = Array.from({ length: 30 }, sleeping);
  const before = openDescriptors();

  const stops = processes.flatMap(({ identity }) =>
    Array.from({ length: 10 }, () => unix.watch.watch(identity, () => undefined)),
  );
  const during = openDescriptors();
  for (const stop of stops.slice(0, 150)) stop();
  const halfway = openDescriptors();
  unix.close();

  expect(during - before).toBe(30);
  expect(halfway - before).toBe(15);
  expect(openDescriptors()).toBe(before);
});

test("a watch keeps no process of ours from ending", async () => {
  const script = `
    const { createUnixAttestor } = await import(process.argv[1]);
    const { watch } = createUnixAttestor();
    watch.watch(watch.find(process.ppid).process, () => {});`;
  const attestor = new URL("../../../src/adapters/attestor-unix/unix-attestor.ts", import.meta.url).href;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, attestor], { stdio: "inherit" });
  onTestFinished(() => void child.kill("SIGKILL"));

  expect(await once(child, "exit")).toEqual([0, null]);
});

describe("finding a process by its pid", () => {
  test("gives its identity and what can be said of it without its help", () => {
    const found = unix.watch.find(process.pid);

    expect(found?.process.pid).toBe(process.pid);
    expect(found?.uid).toBe(process.geteuid?.());
    expect(found?.selectors).toContain(`unix:path:${process.execPath}`);
  });

  test.for([
    { pid: 0 },
    { pid: -1 },
    { pid: 1.5 },
    { pid: Number.NaN },
    { pid: 4_194_303 },
    { pid: Number.MAX_SAFE_INTEGER },
  ])("finds nobody under $pid", ({ pid }) => {
    expect(unix.watch.find(pid)).toBeUndefined();
  });

  test("does not cut a number down to one that is a pid", () => {
    expect(unix.watch.find(2 ** 32 + process.pid)).toBeUndefined();
  });

  test("takes no thread for a process", () => {
    const thread = readdirSync("/proc/self/task")
      .map(Number)
      .find((id) => id !== process.pid);

    expect(thread).toBeDefined();
    expect(unix.watch.find(thread ?? 0)).toBeUndefined();
  });
});
