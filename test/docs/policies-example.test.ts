import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { runStint } from "../cli/running.ts";

const run = promisify(execFile);
const policies = join(import.meta.dirname, "policies");
/** Each command is a process of its own, on a machine that may be busy. */
const SCRIPT_MS_MAX = 120_000;

test("the guide to policies: its ten examples are valid, and each passes and fails what its tests say", async () => {
  const { status, out, err } = await runStint(["-o", "json", "policy", "test", policies]);
  const results = JSON.parse(out) as { result: string; name: string; policies: string[] }[];
  expect(results.filter(({ result }) => result !== "passed")).toEqual([]);
  expect([status, err]).toEqual([0, `stint: passed: ${results.length}, failed: 0\n`]);
  const { out: listed } = await runStint(["-o", "json", "policy", "validate", "--no-baseline", policies]);
  expect(listed).toBe("");
  const denying = new Set(results.flatMap((one) => one.policies));
  for (const name of [
    "finance-only",
    "writes-for-someone",
    "ask-first",
    "no-deletes",
    "own-runtime",
    "few-hands",
    "restricted-stays-inside",
    "runaway",
    "no-mail-out",
    "working-hours",
  ]) {
    expect(denying).toContain(name);
  }
});

test(
  "the guide to policies: its commands are taken",
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "stint-guide-"));
    try {
      cpSync(policies, join(directory, "policies"), { recursive: true });
      const { stdout } = await run("sh", ["-e", join(import.meta.dirname, "policies.sh")], {
        cwd: directory,
        env: {
          ...process.env,
          PATH: `${join(import.meta.dirname, "../../scripts")}${delimiter}${process.env["PATH"] ?? ""}`,
        },
      });
      expect(stdout).toContain("entity Tool");
      expect(stdout).toMatch(/^passed +the public wiki is read /m);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
  SCRIPT_MS_MAX,
);
