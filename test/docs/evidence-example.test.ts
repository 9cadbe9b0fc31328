import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { FRAMEWORK_NAMES } from "../../src/cli/report/framework-names.ts";
import { readFramework } from "../../src/cli/report/read-framework.ts";
import { closeStep, issueJwt, openStep, sessionWith, startOwnDaemon } from "../faults/daemon-scene.ts";
import { read } from "./documents.ts";

const run = promisify(execFile);
const folder = import.meta.dirname;
/** Each command is a process of its own, on a machine that may be busy. */
const SCRIPT_MS_MAX = 300_000;

test(
  "the guide for evidence is done as it says",
  async () => {
    const daemon = await startOwnDaemon();
    const session = sessionWith(daemon);
    const { stepId } = await openStep(session, "report-7");
    await issueJwt(session, stepId);
    await closeStep(session, stepId);
    const cwd = mkdtempSync(join(tmpdir(), "stint-evidence-"));
    onTestFinished(() => rmSync(cwd, { recursive: true }));
    const path = `${join(folder, "../../scripts")}${delimiter}${process.env["PATH"] ?? ""}`;
    const env = { ...process.env, PATH: path, STINT_OPERATOR_SOCKET: daemon.operatorSocket };
    const { stdout } = await run("bash", [join(folder, "evidence.sh")], { cwd, env });
    expect(stdout).toMatch(/^kind +report$/m);
    expect(stdout).toMatch(/^REASON +COUNT$/m);
    expect(readFileSync(join(cwd, "agents.html"), "utf8")).toContain("ASI01: Agent Goal Hijack");
    expect(readFileSync(join(cwd, "csf.pdf")).subarray(0, 5).toString()).toBe("%PDF-");
  },
  SCRIPT_MS_MAX,
);

test.for(FRAMEWORK_NAMES)("the guide names %s with its edition", async (id) => {
  const { name, version } = await readFramework(id);
  expect(read("docs/guides/evidence.md")).toContain(`| \`${id}\` | ${name} | ${version} |`);
});
