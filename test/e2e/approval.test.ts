import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Daemon, startDaemon } from "../daemon.ts";
import { type Answer, type Caller, callerAs } from "./as-user.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { type Operator, operatorOf } from "./operator.ts";

const OWN_UID = process.getuid?.() ?? -1;
/** Another user asks than the one that runs the tests and approves: only root can start processes as others. */
const CLERK_UID = 4_242;
const isRoot = OWN_UID === 0;

const POLICY = `@id("ask-first")
@approval("operators")
forbid (principal, action == Action::"read", resource);
`;

let daemon: Daemon;
let operator: Operator;
let clerk: Caller;
const directory = mkdtempSync(join(tmpdir(), "stint-approval-"));

beforeAll(async () => {
  if (!isRoot) return;
  mkdirSync(join(directory, "site"));
  writeFileSync(join(directory, "site", "site.cedar"), POLICY);
  const own = [`unix:uid:${OWN_UID}`];
  const clerks = [`unix:uid:${CLERK_UID}`];
  daemon = await startDaemon({
    config: { policies: { directory: join(directory, "site") } },
    entries: [
      { kind: "agent", name: "clerk", selectors: clerks, ceiling: [READ_SEARCH], may_open: true },
      { kind: "operator", name: "root", selectors: own, role: "admin" },
      { kind: "operator", name: "approver", selectors: own, role: "approver" },
    ],
  });
  operator = operatorOf(daemon.operatorSocket);
  clerk = await callerAs({ uid: CLERK_UID }, daemon.workloadSocket);
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
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
