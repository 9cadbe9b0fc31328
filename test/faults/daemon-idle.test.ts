import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { eventually, succeeds } from "../adapters/attestor-unix/peer-processes.ts";
import { isFault } from "../daemon.ts";
import { frontPids } from "../e2e/front-ends.ts";
import { amountOf } from "./amounts.ts";
import { descriptorsOf, peakBytesOf } from "./daemon-process.ts";
import { closeStep, issueJwt, openStep, READY, readiness, sessionWith, startOwnDaemon } from "./daemon-scene.ts";

const CHILD = fileURLToPath(new URL("idle-child.ts", import.meta.url));
const CONNECTIONS = amountOf("STINT_IDLE_CONNECTIONS", { quick: 500, full: 10_000 });
/** Of the broker: for each connection its socket and the descriptor of its process. */
const DESCRIPTORS_WANTED = 2 * CONNECTIONS + 1_000;
const [, HARD_LIMIT] = /^Max open files +\d+ +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
/** Where one process may not have as many, two front ends share the connections. */
const isShared = DESCRIPTORS_WANTED > Number(HARD_LIMIT);
const DESCRIPTORS_MAX = Math.min(DESCRIPTORS_WANTED, Number(HARD_LIMIT));
const KIBIBYTE = 1_024;
/** What one connection may cost: several times what it does. */
const CONNECTION_BYTES_MAX = 128 * KIBIBYTE;
const ASKED = 50;

const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0);
const raise = (descriptors: number) => ["prlimit", `--nofile=${descriptors}:${descriptors}`];

test(`beside ${CONNECTIONS} idle connections everybody else is served, and all they took comes back`, {
  timeout: 60_000 + CONNECTIONS * 20,
}, async ({ skip }) => {
  skip(!succeeds([...raise(DESCRIPTORS_MAX), "true"]), "it needs prlimit, and the right to so many descriptors");
  const daemon = await startOwnDaemon({
    config: { limits: { connections_per_uid: CONNECTIONS + 10 }, ...(isShared ? { workers: 2 } : {}) },
    wrapper: raise(DESCRIPTORS_MAX),
  });
  const session = sessionWith(daemon);
  const { stepId } = await openStep(session, "witness");
  await issueJwt(session, stepId);
  const processes = () => [daemon.pid, ...(isShared ? frontPids(daemon) : [])].map((pid) => ({ pid }));
  const descriptors = () => sum(processes().map(descriptorsOf));
  const memory = () => sum(processes().map(peakBytesOf));
  const before = { descriptors: descriptors(), peakBytes: memory() };

  const command = [...raise(CONNECTIONS + 100), process.execPath, CHILD, daemon.workloadSocket, String(CONNECTIONS)];
  const child = spawn(command[0] ?? "", command.slice(1), { stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe("open");
  expect(descriptors()).toBeGreaterThanOrEqual(before.descriptors + CONNECTIONS);

  const times: number[] = [];
  for (let asked = 0; asked < ASKED; asked += 1) {
    const from = performance.now();
    await issueJwt(session, stepId);
    times.push(performance.now() - from);
  }
  const own = sessionWith(daemon);
  await closeStep(own, (await openStep(own, "another")).stepId);
  expect(await readiness(daemon)).toEqual(READY);
  child.stdin.write("\n");
  expect((await lines.next()).value).toBe("0");
  const costBytes = (memory() - before.peakBytes) / CONNECTIONS;
  if (CONNECTIONS >= 1_000) expect(costBytes).toBeLessThan(CONNECTION_BYTES_MAX);

  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
  // Of this test's own, one more session and a request for readiness.
  await eventually(descriptors).toBeLessThanOrEqual(before.descriptors + 4);
  await issueJwt(session, stepId);
  expect(daemon.log.filter(isFault)).toEqual([]);
  const [median = 0, longest = 0] = [times.toSorted((a, b) => a - b)[ASKED / 2], Math.max(...times)];
  process.stdout.write(
    `beside ${CONNECTIONS} idle connections${isShared ? " of two front ends" : ""}: ${Math.round(costBytes / KIBIBYTE)} KiB each, a credential in ${median.toFixed(1)} ms (median), ${longest.toFixed(1)} ms (longest)\n`,
  );
});
