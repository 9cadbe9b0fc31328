import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { isFault } from "../daemon.ts";
import { startLoad } from "./daemon-load.ts";
import { issueJwt, openStep, READY, readiness, sessionWith, startOwnDaemon } from "./daemon-scene.ts";
import { type MemoryGroup, memoryGroup } from "./memory-group.ts";
import { expectRecorded, ledgerBook } from "./recorded-load.ts";

const MEBIBYTE = 1_024 * 1_024;
/** Twice what a daemon takes. */
const BYTES_MAX = 512 * MEBIBYTE;
const NO_GROUP = "it needs the right to make a control group of memory";

function inGroup(group: MemoryGroup, ...command: readonly string[]): ChildProcess {
  const [program = "", ...args] = [...group.wrapper, ...command];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "ignore"] });
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  return child;
}

test("at the limit by what the kernel keeps of files, everybody is served", async ({ skip }) => {
  const group = memoryGroup(BYTES_MAX);
  if (group === undefined) return skip(NO_GROUP);
  const daemon = await startOwnDaemon({ wrapper: group.wrapper });
  const session = sessionWith(daemon);
  const { stepId } = await openStep(session, "witness");
  const file = join(daemon.directory, "large");
  const writing = inGroup(group, "dd", "if=/dev/zero", `of=${file}`, "bs=1M", `count=${BYTES_MAX / MEBIBYTE}`);
  const exited = once(writing, "exit");
  let isOver = false;
  void exited.finally(() => {
    isOver = true;
  });
  do expect(await issueJwt(session, stepId)).toMatch(/^eyJ/);
  while (!isOver);
  expect(await exited).toEqual([0, null]);
  expect(group.usageBytes()).toBeGreaterThan(BYTES_MAX * 0.9);
  expect(await issueJwt(session, stepId)).toMatch(/^eyJ/);
  expect(await readiness(daemon)).toEqual(READY);
  expect(daemon.log.filter(isFault)).toEqual([]);
  await daemon.stop();
});

test("killed by the kernel at the limit, under load, it has lost no credential that anybody holds, and starts again", async ({
  skip,
}) => {
  const group = memoryGroup(BYTES_MAX);
  if (group === undefined) return skip(NO_GROUP);
  const daemon = await startOwnDaemon({ wrapper: group.wrapper });
  await using load = startLoad(daemon, 2);
  await eventually(() => load.received().closed.length).toBeGreaterThan(3);
  // Of the processes in the group the kernel takes this one.
  writeFileSync(`/proc/${daemon.pid}/oom_score_adj`, "1000");
  const killed = once(daemon.child, "exit");
  const greedy = `const all = []; for (let n = 0; n < ${BYTES_MAX / MEBIBYTE}; n += 8) all.push(Buffer.alloc(${8 * MEBIBYTE}, 1));`;
  inGroup(group, process.execPath, "--eval", `${greedy} setInterval(() => all.length, 1_000);`);
  expect(await killed).toEqual([null, "SIGKILL"]);

  const closes = load.received().closed.length;
  const next = await startOwnDaemon({ directory: daemon.directory });
  await eventually(() => readiness(next)).toEqual(READY);
  await eventually(() => load.received().closed.length).toBeGreaterThan(closes);
  await load.stop();
  const book = ledgerBook();
  await book.read(sessionWith(next));
  expectRecorded(load.received(), book);
});
