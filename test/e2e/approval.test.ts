import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Daemon, startDaemon } from "../daemon.ts";
import { ASK_FIRST, isRoot, OPERATORS_GID, policiesIn } from "./approval-daemon.ts";
import { type Answer, type Caller, callerAs } from "./as-user.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { type Operator, operatorOf } from "./operator.ts";

const OWN_UID = process.getuid?.() ?? -1;
/** Other users ask than the one that runs the tests and approves. */
const CLERK_UID = 4_242;
const [DESK_UID, WORKER_UID] = [4_243, 4_244];

let daemon: Daemon;
let operator: Operator;
let clerk: Caller;
const site = policiesIn(ASK_FIRST);

beforeAll(async () => {
  if (!isRoot) return;
  const own = [`unix:uid:${OWN_UID}`];
  const clerks = [`unix:uid:${CLERK_UID}`];
  daemon = await startDaemon({
    config: (directory) => ({
      policies: { directory: site.directory },
      operator: { socket: join(directory, "operator.sock"), group: OPERATORS_GID },
    }),
    entries: [
      { kind: "agent", name: "clerk", selectors: clerks, ceiling: [READ_SEARCH], may_open: true },
      { kind: "agent", name: "worker", selectors: [`unix:uid:${WORKER_UID}`], ceiling: [READ_SEARCH] },
      { kind: "runtime", name: "desk", selectors: [`unix:uid:${DESK_UID}`], agents: ["worker"] },
      // Each of them may approve what others ask.
      ...[CLERK_UID, DESK_UID, WORKER_UID].map((uid) => ({
        ...{ kind: "operator", name: `user-${uid}`, selectors: [`unix:uid:${uid}`], role: "approver" },
      })),
      { kind: "operator", name: "root", selectors: own, role: "admin" },
      { kind: "operator", name: "approver", selectors: own, role: "approver" },
    ],
  });
  operator = operatorOf(daemon.operatorSocket);
  clerk = await callerAs({ uid: CLERK_UID }, daemon.workloadSocket);
});
afterAll(async () => {
  site[Symbol.dispose]();
  if (!isRoot) return;
  operator[Symbol.dispose]();
  await clerk[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

let runs = 0;
async function ask(acceptPending: boolean): Promise<Answer> {
  runs += 1;
  const request = { runId: `run-${runs}`, step: "s", agent: "clerk", grant: { elements: [READ_SEARCH] } };
  return (await clerk.call("Steps", "open", { ...request, executor: { self: {} }, acceptPending } as never)).step;
}

test.skipIf(!isRoot)(
  "a step waits, its runtime is told on its stream, and credentials are issued once it is approved",
  async () => {
    await expect(ask(false)).rejects.toMatchObject({
      reason: "POLICY_DENIED",
      metadata: expect.objectContaining({ approval: "operators" }) as object,
    });

    const step = await ask(true);
    expect(step).toMatchObject({
      state: "STEP_STATE_PENDING_APPROVAL",
      approval: { role: "operators", requesterUids: [CLERK_UID] },
    });
    const states: string[] = [];
    const followed = (async () => {
      for await (const { step: told } of clerk.stream("Steps", "hold", { stepId: step.stepId })) {
        states.push(told.state);
        if (told.state !== "STEP_STATE_PENDING_APPROVAL") return told;
      }
      return undefined;
    })();
    const jwt = () =>
      clerk.call("Credentials", "issueJwtSvid", { stepId: step.stepId, wanted: { audiences: [SEARCH] } });
    await expect(jwt()).rejects.toMatchObject({ reason: "STEP_CLOSED" });

    const { requestDigest } = step.approval;
    const approve = { stepId: step.stepId, requestDigest, reason: "looked at it" };
    const { step: approved } = await operator.approvals.approve(approve);
    expect(approved?.approval?.answer).toMatchObject({ approved: true, reason: "looked at it" });
    expect(await followed).toMatchObject({ state: "STEP_STATE_OPEN" });
    expect(await jwt()).toMatchObject({ svid: { spiffeId: approved?.spiffeId } });
    await expect(operator.approvals.approve(approve)).rejects.toMatchObject({ reason: "STEP_EXISTS" });
  },
);

test.skipIf(!isRoot)(
  "what an operator refuses is told as REFUSED; what waits over a restart of the daemon still waits",
  async () => {
    const [refused, waiting] = [await ask(true), await ask(true)];
    await operator.approvals.refuse({ stepId: refused.stepId, reason: "no" });
    const get = async (stepId: string) => (await clerk.call("Steps", "get", { stepId })).step;
    expect(await get(refused.stepId)).toMatchObject({
      state: "STEP_STATE_REFUSED",
      approval: { answer: { reason: "no" } },
    });
    await daemon.kill();
    daemon = await daemon.restart();
    operator[Symbol.dispose]();
    operator = operatorOf(daemon.operatorSocket);
    const { step } = await operator.steps.get({ by: { case: "stepId", value: waiting.stepId } });
    const requestDigest = step?.approval?.requestDigest ?? "";
    await operator.approvals.approve({ stepId: waiting.stepId, requestDigest, reason: "yes" });
    const { step: approved } = await operator.steps.get({ by: { case: "stepId", value: waiting.stepId } });
    expect(approved?.approval?.answer).toMatchObject({ approved: true });
  },
);

/** What is said to a user who approves. */
async function approvedBy(uid: number, { stepId, approval }: Answer): Promise<Answer> {
  await using caller = await callerAs({ uid, groups: [OPERATORS_GID] }, daemon.operatorSocket);
  const request = { stepId, requestDigest: approval.requestDigest, reason: "mine" };
  return await caller.call("Approvals", "approve", request);
}

test.skipIf(!isRoot)(
  "the user who asked does not approve it by another process and another entry, and others still can",
  async () => {
    const step = await ask(true);
    await expect(approvedBy(CLERK_UID, step)).rejects.toMatchObject({
      reason: "NOT_ENTITLED",
      message: "NOT_ENTITLED: the user who asked does not approve",
    });
    expect(await approvedBy(DESK_UID, step)).toMatchObject({ step: { state: "STEP_STATE_OPEN" } });
  },
);

test.skipIf(!isRoot)(
  "what a runtime asks for another user's agent, neither of the two users approves, and a third does",
  async () => {
    await using desk = await callerAs({ uid: DESK_UID }, daemon.workloadSocket);
    await using worker = await callerAs({ uid: WORKER_UID }, daemon.workloadSocket);
    const request = { runId: "for-another", step: "s", agent: "worker", grant: { elements: [READ_SEARCH] } };
    const { step } = await desk.call("Steps", "open", {
      ...request,
      executor: { pid: worker.pid },
      acceptPending: true,
    } as never);
    expect(step.approval.requesterUids).toEqual([DESK_UID, WORKER_UID]);
    for (const uid of [DESK_UID, WORKER_UID]) {
      await expect(approvedBy(uid, step)).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
    }
    expect(await approvedBy(CLERK_UID, step)).toMatchObject({ step: { state: "STEP_STATE_OPEN" } });
    const jwt = { stepId: step.stepId, wanted: { audiences: [SEARCH] } };
    expect(await worker.call("Credentials", "issueJwtSvid", jwt)).toMatchObject({ svid: {} });
  },
);
