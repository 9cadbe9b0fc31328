import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import {
  ADMIN_UID,
  APPROVER_UID,
  type ApprovalDaemon,
  isRoot,
  OPERATORS_GID,
  startApprovalDaemon,
} from "../e2e/approval-daemon.ts";
import type { Answer } from "../e2e/as-user.ts";
import { READ_SEARCH } from "../e2e/entries.ts";
import { STINT } from "../programs.ts";
import { type Ran, runStint } from "./running.ts";

const GRANT = JSON.stringify([READ_SEARCH]);

/** Each command of another user is a process that starts, and one daemon waits until a time of 30 s is over. */
vi.setConfig({ testTimeout: 120_000 });

let broker: ApprovalDaemon;
beforeAll(async () => {
  if (isRoot) broker = await startApprovalDaemon();
});
afterAll(() => broker?.[Symbol.asyncDispose]());

/** A command as another user of the operators' group types it. */
async function stintAs(uid: number, args: readonly string[], at = broker): Promise<Ran> {
  const change = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, `--groups=${OPERATORS_GID}`];
  const stint = [process.execPath, STINT, "--operator-socket", at.daemon().operatorSocket];
  const [command = "", ...rest] = [...change, ...stint, ...args];
  const child = spawn(command, rest);
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => (out += String(chunk)));
  child.stderr.on("data", (chunk) => (err += String(chunk)));
  const [status] = (await once(child, "close")) as [number];
  return { status, out, err };
}

/** A command as whoever asks types it. */
function asked(args: readonly string[], at = broker): Promise<Ran> {
  const { workloadSocket, operatorSocket } = at.daemon();
  return runStint(["--socket", workloadSocket, "--operator-socket", operatorSocket, ...args]);
}

let runs = 0;
function named(): readonly [string, readonly string[]] {
  runs += 1;
  const run = `run-${runs}`;
  return [run, ["--run", run, "--step", "look-up", "--agent", "clerk", "--grant", GRANT, "--accept-pending"]];
}

/** Opens a step that waits, as a shell does. */
async function waiting(): Promise<Answer> {
  const [run, flags] = named();
  const { status, err } = await asked(["step", "open", ...flags, "--executor", String(process.pid)]);
  // Whoever opens it by a shell is told that it is not open yet.
  expect([status, pinned(err)]).toEqual([0, "stint: step STEP waits for approval, until TIME\n"]);
  return broker.waiting(run);
}

const approve = (stepId: string) => ["step", "approve", stepId, "--reason", "looked at it"];
const refuse = (stepId: string) => ["step", "refuse", stepId, "--reason", "not on a Friday"];

/** What is printed, without what differs from run to run. */
function pinned(text: string): string {
  return text
    .replaceAll(/step_[0-9a-f-]+/g, "STEP")
    .replaceAll(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?/g, "TIME")
    .replaceAll(/run-\d+/g, "RUN")
    .replaceAll(/ +/g, " ");
}

function marker(): string {
  const directory = mkdtempSync(join(tmpdir(), "stint-marker-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return join(directory, "ran");
}

describe.skipIf(!isRoot)("what waits for approval, as its approver types it", () => {
  test("is listed with what somebody looks at who is to approve it", async () => {
    const { stepId, name } = await waiting();
    const { status, out, err } = await stintAs(APPROVER_UID, [
      ...["step", "list", "--state", "pending", "--run", name.runId],
    ]);
    expect([status, err, pinned(out)]).toEqual([
      0,
      "",
      "STEP_ID RUN STEP AGENT GRANT HELD_BACK_BY ASKED_BY UNTIL\n" +
        "STEP RUN look-up clerk search:read ask-first uid 0 TIME\n",
    ]);
    expect(out).toContain(stepId);
  });

  test("is approved, and shown as it is then", async () => {
    const { stepId } = await waiting();
    const { status, out, err } = await stintAs(APPROVER_UID, ["--output", "json", ...approve(stepId)]);
    expect([status, err]).toEqual([0, ""]);
    expect(JSON.parse(out)).toMatchObject({
      step_id: stepId,
      state: "OPEN",
      approval: {
        role: "operators",
        held_back_by: ["ask-first"],
        answer: { approved: true, uid: APPROVER_UID, reason: "looked at it" },
      },
    });
  });

  test("is refused, and shown as it is then", async () => {
    const { stepId } = await waiting();
    const { status, out, err } = await stintAs(APPROVER_UID, ["--output", "json", ...refuse(stepId)]);
    expect([status, err]).toEqual([0, ""]);
    expect(JSON.parse(out)).toMatchObject({
      state: "REFUSED",
      approval: { answer: { approved: false, uid: APPROVER_UID, reason: "not on a Friday" } },
    });
  });

  test.for([
    {
      who: "an administrator, whose role approves nothing",
      by: (stepId: string) => stintAs(ADMIN_UID, approve(stepId)),
      says: "NOT_ENTITLED: only for operators with the role approver",
    },
    {
      who: "an administrator who refuses",
      by: (stepId: string) => stintAs(ADMIN_UID, refuse(stepId)),
      says: "NOT_ENTITLED: only for operators with the role approver",
    },
    {
      who: "whoever asked, although that user may approve what others ask",
      by: (stepId: string) => asked(approve(stepId)),
      says: "NOT_ENTITLED: the user who asked does not approve",
    },
    {
      who: "an approver without a word",
      by: (stepId: string) => stintAs(APPROVER_UID, ["step", "approve", stepId, "--reason", ""]),
      says: "INVALID_FIELD: reason: why, in 1 to 1024 bytes without control characters",
    },
  ])("is not answered by $who, and goes on waiting", async ({ by, says }) => {
    const step = await waiting();
    expect(await by(step.stepId)).toEqual({ status: 1, out: "", err: `stint: ${says}\n` });
    expect(await broker.waiting(step.name.runId)).toMatchObject({ stepId: step.stepId });
  });

  test("is answered once", async () => {
    const [open, closed] = [await waiting(), await waiting()];
    await broker.approve(open);
    await broker.refuse(closed);
    const failing = (err: string) => ({ status: 1, out: "", err: `stint: ${err}\n` });
    const isApproved = failing("STEP_EXISTS: the step was approved already");
    expect(await stintAs(APPROVER_UID, approve(open.stepId))).toEqual(isApproved);
    expect(await stintAs(APPROVER_UID, refuse(open.stepId))).toEqual(isApproved);
    const isRefused = failing("STEP_CLOSED: the step is REFUSED");
    expect(await stintAs(APPROVER_UID, approve(closed.stepId))).toEqual(isRefused);
    expect(await stintAs(APPROVER_UID, refuse(closed.stepId))).toEqual(isRefused);
  });

  test.for([
    { args: approve("step_0"), status: 1, says: "stint: STEP_NOT_FOUND: no such step\n" },
    { args: refuse("step_0"), status: 1, says: "stint: STEP_NOT_FOUND: no such step\n" },
    {
      args: approve("run-1/look-up"),
      status: 2,
      says: "stint: command-argument value 'run-1/look-up' is invalid for argument 'step-id'. Expected a step id.\n(--help tells how it is called)\n",
    },
    {
      args: ["step", "approve", "step_0"],
      status: 2,
      says: "stint: required option '--reason <text>' not specified\n(--help tells how it is called)\n",
    },
  ])("is named by the id of a step, and answered with a reason: $args", async ({ args, status, says }) => {
    expect(await stintAs(APPROVER_UID, args)).toEqual({ status, out: "", err: says });
  });
});

test.skipIf(!isRoot)(
  "stint history decisions shows which act was decided on, whose approval it needs, which it was made with, and who tried in vain",
  async () => {
    const step = await waiting();
    await stintAs(ADMIN_UID, approve(step.stepId));
    await broker.approve(step);
    const listed = (output: string) =>
      stintAs(ADMIN_UID, ["--output", output, "history", "decisions", "--run", step.name.runId]);
    expect(JSON.parse((await listed("json")).out)).toMatchObject([
      {
        ...{ act: "open", effect: "allow", approval: null },
        situation: { approved: "operators", approved_policies: ["ask-first"], fewer_calls: [] },
      },
      { act: "administer", effect: "deny", reason: "NOT_ENTITLED", approval: null, caller: { uid: ADMIN_UID } },
      { act: "open", effect: "deny", approval: "operators", situation: { approved: null, approved_policies: [] } },
    ]);
    const [{ decision_id: allowed = "" }] = JSON.parse((await listed("json")).out) as [{ decision_id?: string }];
    const explained = await stintAs(ADMIN_UID, ["--output", "json", "explain", allowed]);
    expect(JSON.parse(explained.out)).toMatchObject({
      request: { approved: "operators", approved_policies: ["ask-first"] },
    });
    const [header = "", ...rows] = (await listed("table")).out.trimEnd().split("\n");
    const cells = (name: string, next: string) =>
      rows.map((row) => row.slice(header.indexOf(name), header.indexOf(next)).trim());
    expect(cells("APPROVAL", "CALLER")).toEqual(["has operators", "", "needs operators"]);
    expect(cells("ACT", "POLICIES")).toEqual(["open", "administer", "open"]);
  },
);

describe.skipIf(!isRoot)("stint step run --accept-pending", () => {
  test("says that it waits, and runs the command once the step is approved", async () => {
    const [run, flags] = named();
    const ran = asked(["step", "run", ...flags, "--", "sh", "-c", 'test -n "$STINT_STEP_ID"']);
    const step = await broker.waiting(run);
    await broker.approve(step);
    const { status, out, err } = await ran;
    expect([status, out, pinned(err)]).toEqual([0, "", "stint: step STEP waits for approval, until TIME\n"]);
    expect(await broker.stepOf(run)).toMatchObject({ state: "STEP_STATE_COMPLETED" });
  });

  test("does not run the command of a step that is refused, and says in which words it was", async () => {
    const [run, flags] = named();
    const file = marker();
    const ran = asked(["step", "run", ...flags, "--", "touch", file]);
    await broker.refuse(await broker.waiting(run), "not on a Friday");
    const { status, err } = await ran;
    expect([status, pinned(err)]).toEqual([
      1,
      "stint: step STEP waits for approval, until TIME\n" +
        "stint: the step is REFUSED: an operator refused it: not on a Friday; the command has not run\n",
    ]);
    expect(existsSync(file)).toBe(false);
  });

  test.for([
    { how: "SIGINT", signal: "SIGINT", everybody: false },
    { how: "SIGTERM", signal: "SIGTERM", everybody: false },
    // As a terminal does it.
    { how: "SIGINT, with all processes of its group", signal: "SIGINT", everybody: true },
  ] as const)("cancels its step when it is interrupted by $how while it waits", async ({ signal, everybody }) => {
    const [run, flags] = named();
    const file = marker();
    const child = spawn(
      process.execPath,
      [STINT, "--socket", broker.daemon().workloadSocket, "step", "run", ...flags, "--", "touch", file],
      { detached: true },
    );
    let err = "";
    child.stderr.on("data", (chunk) => (err += String(chunk)));
    await once(child.stderr, "data");
    const step = await broker.waiting(run);
    process.kill(everybody ? -(child.pid ?? 0) : (child.pid ?? 0), signal);
    const [status] = (await once(child, "close")) as [number];
    expect([status, pinned(err)]).toEqual([
      1,
      "stint: step STEP waits for approval, until TIME\n" +
        `stint: the step is CANCELLED: interrupted (${signal}); the command has not run\n`,
    ]);
    expect(await broker.stepOf(run)).toMatchObject({ state: "STEP_STATE_CANCELLED" });
    await expect(broker.approve(step)).rejects.toMatchObject({ reason: "STEP_CLOSED" });
    expect(existsSync(file)).toBe(false);
  });

  test("does not run the command of a step that nobody approved in time, which nobody can approve any more", async () => {
    await using own = await startApprovalDaemon({ expiry: "30s" });
    const [run, flags] = named();
    const ran = asked(["step", "run", ...flags, "--", "true"], own);
    const step = await own.waiting(run);
    const { status, err } = await ran;
    expect([status, pinned(err)]).toEqual([
      1,
      "stint: step STEP waits for approval, until TIME\n" +
        "stint: the step is REFUSED: nobody approved it in time; the command has not run\n",
    ]);
    expect(await stintAs(APPROVER_UID, approve(step.stepId), own)).toEqual({
      ...{ status: 1, out: "", err: "stint: STEP_CLOSED: the step is REFUSED\n" },
    });
  });

  test("is refused without the flag, and told of the flag, who could approve it, and what an operator can ask", async () => {
    const [, flags] = named();
    const { status, err } = await asked(["step", "run", ...flags.slice(0, -1), "--", "true"]);
    expect([status, err.replaceAll(/dec_[0-9a-f-]+/g, "DECISION")]).toEqual([
      1,
      "stint: with --accept-pending it is asked for, and waits until operators approve it\n" +
        "stint: POLICY_DENIED: held back until operators approve it (accept_pending): " +
        "search at https://search.example/mcp (read; internal); " +
        "an operator sees why, and what would pass: stint explain DECISION\n",
    ]);
  });
});
