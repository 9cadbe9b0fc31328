import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { expect, onTestFinished, test } from "vitest";
import { probeKernel } from "../../../src/adapters/attestor-unix/kernel-probe.ts";
import { descriptorOf } from "../../../src/api/endpoint/connections.ts";
import { succeeds } from "./peer-processes.ts";

test("a kernel on which the tests run has what the attestor needs, and asking leaves no descriptor open", () => {
  const open = () => readdirSync("/proc/self/fd").length;
  probeKernel();
  const before = open();
  expect(probeKernel()).toMatchObject({ pidfdOpen: undefined, peerPidfd: undefined, procUnfitBecause: undefined });
  expect(open()).toBe(before);
});

test("who listens is told to whoever connects", async () => {
  const directory = mkdtempSync(join(tmpdir(), "stint-probe-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const server = createServer().listen(join(directory, "s"));
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const socket = connect(join(directory, "s"));
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  const { pid } = process;
  expect(probeKernel().listenerOf(descriptorOf(socket) ?? -1)).toEqual({ pid, uid: process.geteuid?.() });
  expect(probeKernel().listenerOf(-1)).toBe(undefined);
});

/** struct timex as ctypes lays it out, and not as it is laid out here. */
const ADJTIMEX = `
import ctypes
class timeval(ctypes.Structure): _fields_ = [("s", ctypes.c_long), ("us", ctypes.c_long)]
class timex(ctypes.Structure): _fields_ = [("modes", ctypes.c_uint)] + [(n, ctypes.c_long) for n in ("offset", "freq", "maxerror", "esterror")] + [
  ("status", ctypes.c_int)] + [(n, ctypes.c_long) for n in ("constant", "precision", "tolerance")] + [("time", timeval), ("tick", ctypes.c_long), ("rest", ctypes.c_byte * 128)]
t = timex()
state = ctypes.CDLL(None).adjtimex(ctypes.byref(t))
print("unsynchronized" if state == 5 else "synchronized", t.status & 0x40 != 0, t.maxerror)
`;

test("what the clock is kept by is read where the kernel writes it", ({ skip }) => {
  skip(!succeeds(["python3", "--version"]), "needs Python, which lays out the structure by itself");
  const [state, isUnsynchronized, error] = execFileSync("python3", ["-c", ADJTIMEX], { encoding: "utf8" })
    .trim()
    .split(" ");
  const clock = probeKernel().clock;
  expect(clock?.isSynchronized).toBe(isUnsynchronized === "False");
  expect(state).toBe(clock?.isSynchronized ? "synchronized" : "unsynchronized");
  // It grows by half a millisecond a second while nobody sets it, to 16 s at most.
  expect(clock?.maxErrorSeconds).toBeCloseTo(Number(error) / 1_000_000, 1);
});
