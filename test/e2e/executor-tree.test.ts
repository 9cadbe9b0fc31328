import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Daemon, startDaemon } from "../daemon.ts";
import { STINT } from "../programs.ts";
import { type Answer, type Caller, callerAs } from "./as-user.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { type Operator, operatorOf } from "./operator.ts";

const selectors = [`unix:uid:${process.getuid?.()}`];
const ENTRIES = [
  { kind: "agent", name: "shell", selectors, ceiling: [READ_SEARCH], allow_executor_tree: true },
  { kind: "agent", name: "plain", selectors, ceiling: [READ_SEARCH] },
  { kind: "runtime", name: "graph", selectors, agents: ["shell", "plain"] },
];
const CALLER = fileURLToPath(new URL("caller.ts", import.meta.url));

/** A shell that runs the command as its child, below another shell that keeps the pipe. */
const IN_A_SHELL = ["sh", "-c", 'exec 3<&0; ("$@" <&3; true) & exec sleep 100000', "sh"];
/** The command's parent is gone as soon as the command runs. */
const ORPHANED = ["sh", "-c", 'exec 3<&0; ("$@" <&3 &); exec sleep 100000', "sh"];

let daemon: Daemon;
let operator: Operator;
let runtime: Caller;

beforeAll(async () => {
  daemon = await startDaemon({ entries: ENTRIES });
  operator = operatorOf(daemon.operatorSocket);
  runtime = await callerAs({}, daemon.workloadSocket);
});
afterAll(async () => {
  operator[Symbol.dispose]();
  await runtime[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

async function started(before: readonly string[] = []): Promise<Caller> {
  const caller = await callerAs({ before }, daemon.workloadSocket);
  onTestFinished(() => caller[Symbol.asyncDispose]());
  return caller;
}

let run = 0;
async function open(agent: string, executor: object): Promise<Answer> {
  run += 1;
  const grant = { elements: [READ_SEARCH] };
  const { step } = await runtime.call("Steps", "open", {
    runId: `tree-${run}`,
    step: "s",
    agent,
    grant,
    executor,
  } as never);
  onTestFinished(async () => {
    await runtime.call("Steps", "close", { stepId: step.stepId, outcome: "OUTCOME_COMPLETED" }).catch(() => undefined);
  });
  return step;
}

const jwtFor = (stepId: string, by: Caller) =>
  by.call("Credentials", "issueJwtSvid", { stepId, wanted: { audiences: [SEARCH] } });

/** The first message of the caller's identities. */
async function identitiesOf(caller: Caller): Promise<readonly string[]> {
  for await (const { svids } of caller.stream("SpiffeWorkloadAPI", "fetchX509SVID", {})) {
    return svids.map(({ spiffeId }: { spiffeId: string }) => spiffeId);
  }
  return [];
}

const REMEDY = "open the step with executor tree";

describe("a step whose executor is a tree", () => {
  test("is executed by the process that is named and by what runs below it, and is recorded as that", async () => {
    const step = await open("shell", { tree: { pid: process.pid } });
    const child = await started(IN_A_SHELL);
    expect((await jwtFor(step.stepId, child)).svid.spiffeId).toBe(step.spiffeId);
    expect(await identitiesOf(child)).toContain(step.spiffeId);
    const { svids } = await child.call("SpiffeWorkloadAPI", "fetchJWTSVID", {
      audience: [SEARCH],
      spiffeId: step.spiffeId,
    });
    expect(svids).toHaveLength(1);
    expect(step).toMatchObject({ executorKind: "EXECUTOR_KIND_TREE", executor: { pid: process.pid } });
    const { events } = await operator.history.listEvents({ type: "step.opened" });
    const recorded = events.map(({ canonical }) => JSON.parse(Buffer.from(canonical).toString()) as Answer);
    expect(recorded.find((event) => event.step.stepId === step.stepId)).toMatchObject({
      step: { executor: { kind: "tree", process: { pid: process.pid } } },
    });
  });

  test("is nobody's whose parent is gone: no chain leads from there", async () => {
    const step = await open("shell", { tree: { pid: process.pid } });
    const orphan = await started(ORPHANED);
    await expect(jwtFor(step.stepId, orphan)).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
    // Nor has it the runtime's identity: it can't be told from an orphan of the step's executor.
    await expect(identitiesOf(orphan)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  });

  test("is looked at for each issuance: a process that loses its parent gets nothing more", async () => {
    const step = await open("shell", { tree: { pid: process.pid } });
    const child = await started(IN_A_SHELL);
    await jwtFor(step.stepId, child);
    const parent = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8"));
    process.kill(parent, "SIGKILL");
    await expect
      .poll(() => jwtFor(step.stepId, child).catch((error: unknown) => error))
      .toMatchObject({
        reason: "NOT_ENTITLED",
        message: expect.stringContaining("no chain of parents leads to it"),
      });
  });

  test("ends with the process that is named", async () => {
    const root = await started();
    const step = await open("shell", { tree: { pid: root.pid } });
    root.signal("SIGKILL");
    const state = async () => (await runtime.call("Steps", "get", { stepId: step.stepId })).step.state;
    await expect.poll(state, { timeout: 15_000 }).toBe("STEP_STATE_ABANDONED");
  });

  test("is refused where the agent's entry does not allow it, and below the parent of every orphan", async () => {
    await expect(open("plain", { tree: { pid: process.pid } })).rejects.toMatchObject({
      reason: "INVALID_FIELD",
      message: expect.stringContaining("allow_executor_tree"),
    });
    await expect(open("shell", { tree: { pid: 1 } })).rejects.toThrow();
  });
});

test("a child of a step's only executor is told how it could have been part of the step", async () => {
  const step = await open("shell", { pid: process.pid });
  const child = await started(IN_A_SHELL);
  const refused = jwtFor(step.stepId, child);
  await expect(refused).rejects.toMatchObject({ reason: "NOT_ENTITLED", message: expect.stringContaining(REMEDY) });
  const fetched = child.call("SpiffeWorkloadAPI", "fetchJWTSVID", { audience: [SEARCH] });
  await expect(fetched).rejects.toMatchObject({ reason: "NO_IDENTITY", message: expect.stringContaining(REMEDY) });
  const elsewhere = await started(ORPHANED);
  await expect(jwtFor(step.stepId, elsewhere)).rejects.toMatchObject({
    message: expect.stringMatching(/the calling process is not the step's executor$/),
  });
});

test.for([
  {
    flags: ["--executor", "tree"],
    says: `"spiffeId":"spiffe://example.org/agent/shell/run/cli-tree/step/s/1"`,
    status: 0,
  },
  { flags: [], says: REMEDY, status: 1 },
])("stint step run $flags: what a shell's child is answered", async ({ flags, says, status }) => {
  const request = JSON.stringify({ audience: [SEARCH] });
  const call = `{"id":1,"service":"SpiffeWorkloadAPI","method":"fetchJWTSVID","request":${request}}`;
  const directory = mkdtempSync(join(tmpdir(), "stint-tree-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const answered = join(directory, "answered");
  // The caller ends with its input, which goes on until it has answered.
  const asks = `{ echo '${call}'; until [ -e ${answered} ]; do sleep 0.1; done; }`;
  const listens = `{ read -r ready; read -r answer; printf '%s\\n' "$answer"; : > ${answered}; }`;
  const script = `${asks} | "$@" | ${listens}; exit ${status}`;
  const step = [
    "step",
    "run",
    "--run",
    status === 0 ? "cli-tree" : "cli-process",
    "--step",
    "s",
    "--agent",
    "shell",
    ...flags,
  ];
  const grant = ["--grant", JSON.stringify([READ_SEARCH])];
  const command = ["sh", "-c", script, "sh", process.execPath, CALLER, daemon.workloadSocket];
  const args = [STINT, "--socket", daemon.workloadSocket, ...step, ...grant, "--", ...command];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (chunk) => {
    out += String(chunk);
  });
  const [code] = await once(child, "close");
  expect([code, out]).toEqual([status, expect.stringContaining(says)]);
});
