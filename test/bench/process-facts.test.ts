import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { factsOf } from "../../scripts/bench/process-facts.ts";

const BURNT_MICROS = 1_000_000;

/** Uses CPU, says so, and stays until its input ends. */
const BURNING = `
  const since = process.cpuUsage();
  while (process.cpuUsage(since).user < ${BURNT_MICROS});
  console.log("burnt");
  process.stdin.resume();
`;
const PARENT = `
  import { spawn } from "node:child_process";
  spawn(process.execPath, ["--eval", ${JSON.stringify(BURNING)}], { stdio: "inherit" });
`;

test("what a process has started counts as its own: CPU and memory are those of the whole tree", async () => {
  const parent = spawn(process.execPath, ["--input-type=module", "--eval", PARENT], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  onTestFinished(() => void parent.stdin.end());
  await once(parent.stdout, "data");
  const facts = factsOf(parent.pid ?? 0);
  // The parent itself has used a tenth of it, to start.
  expect(facts.cpuSeconds()).toBeGreaterThan(BURNT_MICROS / 1_000_000);
  const residentMiB = facts.residentMiB();
  expect(facts.peakMiB()).toBeGreaterThanOrEqual(residentMiB);
});
