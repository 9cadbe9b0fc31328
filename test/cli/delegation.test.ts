import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Step } from "../../src/gen/stint/v1/types_pb.js";
import { type Daemon, startDaemon } from "../daemon.ts";
import { READ_SEARCH } from "../e2e/entries.ts";
import { type Runtime, runtimeAt } from "../e2e/one-user.ts";
import { STINT } from "../programs.ts";
import { type Ran, runStint } from "./running.ts";

const selectors = [`unix:uid:${process.getuid?.()}`];
const agent = { kind: "agent", selectors, ceiling: [READ_SEARCH], allow_any_executor: true };

let daemon: Daemon;
let runtime: Runtime;
beforeAll(async () => {
  daemon = await startDaemon({
    entries: [
      { ...agent, name: "researcher" },
      { ...agent, name: "archivist" },
      { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
      // The command below it descends from the process of this test, which opens steps itself.
      { kind: "runtime", name: "archive", selectors, agents: ["archivist"], allow_descendants: true },
    ],
  });
  runtime = runtimeAt(daemon.workloadSocket);
});
afterAll(async () => {
  runtime[Symbol.dispose]();
  await daemon[Symbol.asyncDispose]();
});

const stint = (...args: readonly string[]): Promise<Ran> =>
  runStint(["--socket", daemon.workloadSocket, "--operator-socket", daemon.operatorSocket, ...args]);

function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "stint-delegation-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

let steps = 0;
async function openParent(): Promise<Step> {
  steps += 1;
  const executor = { executor: { case: "any" as const, value: {} } };
  const { step } = await runtime.steps.open({
    ...{ runId: `run-${steps}`, step: "work", agent: "researcher", executor },
    grant: { elements: [READ_SEARCH] },
  });
  return step ?? expect.fail("no step in the answer");
}

async function ended(child: ChildProcess): Promise<number | null> {
  const [status] = (await once(child, "close")) as [number | null];
  return status;
}

test("a step is handed to another runtime by a token in a file, whose command then runs below it; the tree shows both", async () => {
  const parent = await openParent();
  const grant = JSON.stringify([READ_SEARCH]);
  const asked = ["--step-id", parent.stepId, "--runtime", "archive", "--grant", grant, "--uses", "2", "--ttl", "1m"];
  const printed = await stint("svid", "delegation", ...asked);
  expect(printed).toMatchObject({ status: 0, err: "" });
  expect(printed.out).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  expect(decodeJwt(printed.out.trim())).toMatchObject({ max_uses: 2, step_id: parent.stepId });
  const file = join(scratch(), "token");
  writeFileSync(file, printed.out);

  const named = ["--run", `archive-${steps}`, "--step", "store", "--agent", "archivist", "--grant", grant];
  const command = [process.execPath, "-e", "console.log(JSON.stringify(process.env))"];
  const args = [
    "--socket",
    daemon.workloadSocket,
    "step",
    "run",
    ...named,
    "--parent-token-file",
    file,
    "--",
    ...command,
  ];
  const child = spawn(process.execPath, [STINT, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let environment = "";
  child.stdout.on("data", (chunk) => {
    environment += String(chunk);
  });
  expect(await ended(child)).toBe(0);
  // The command gets no credential by its environment, the parent's neither.
  expect(environment).toContain("STINT_STEP_ID");
  expect(environment).not.toContain(printed.out.trim().split(".")[2]);

  const shown = await stint("step", "show", "--tree", `archive-${steps}/store`);
  expect(shown.out.split("\n").map((line) => line.split(/ {2,}/).slice(0, 4))).toEqual([
    ["STEP", "AGENT", "STATE", "BY"],
    [`run-${steps}/work/1`, "researcher", "OPEN", expect.any(String)],
    [`└─ archive-${steps}/store/1`, "archivist", "COMPLETED", "token"],
    [""],
  ]);
  const data = JSON.parse((await stint("-o", "json", "step", "show", "--tree", parent.stepId)).out) as object[];
  expect(data).toMatchObject([
    { step_id: parent.stepId, state: "OPEN", is_named: true, delegation_jti: null },
    { parent_step_id: parent.stepId, state: "COMPLETED", is_named: false, grant: [READ_SEARCH] },
  ]);
});

test("a token is printed as data where that is asked for", async () => {
  const { stepId } = await openParent();
  const ran = await stint("-o", "json", "svid", "delegation", "--step-id", stepId, "--runtime", "archive");
  const { token, ...shown } = JSON.parse(ran.out) as { readonly token: string };
  expect(shown).toMatchObject({ runtime: "archive", spiffe_id: decodeJwt(token).sub });
});

test.for([
  { what: "an unknown runtime", flags: ["--runtime", "nobody"], says: /^stint: ENTRY_NOT_FOUND: / },
  { what: "no use", flags: ["--runtime", "archive", "--uses", "0"], says: /^stint: INVALID_FIELD: uses: .*1 to 100/ },
  {
    what: "more than the step may",
    flags: ["--runtime", "archive", "--grant", "wider"],
    says: /^stint: GRANT_EXCEEDED: /,
  },
])("a token for $what is refused with the broker's reason", async ({ flags, says }) => {
  const { stepId } = await openParent();
  const wider = JSON.stringify([{ ...READ_SEARCH, actions: ["write"] }]);
  const args = flags.map((flag) => (flag === "wider" ? wider : flag));
  const ran = await stint("svid", "delegation", "--step-id", stepId, ...args);
  expect(ran).toMatchObject({ status: 1, out: "", err: expect.stringMatching(says) });
});

test("a token's file that is not there or empty, or a parent beside it, is a mistake in how the command is used", async () => {
  const empty = join(scratch(), "empty");
  writeFileSync(empty, "\n");
  const open = ["step", "open", "--run", "r", "--step", "s", "--agent", "archivist", "--executor", "any"];
  const refused = async (...more: readonly string[]) => (await stint(...open, ...more)).err;
  expect(await refused("--parent-token-file", `${empty}-not`)).toContain("--parent-token-file: can't read the file");
  expect(await refused("--parent-token-file", empty)).toContain("--parent-token-file: the file is empty");
  expect(await refused("--parent-token-file", empty, "--parent", "step_1")).toContain("cannot be used with");
});
