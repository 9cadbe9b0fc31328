import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Approvals, CallApprovalState } from "../../src/gen/stint/v1/approvals_pb.js";
import { Authorizations } from "../../src/gen/stint/v1/authorizations_pb.js";
import { Effect, History } from "../../src/gen/stint/v1/history_pb.js";
import { Policies } from "../../src/gen/stint/v1/policies_pb.js";
import { type Step, StepState } from "../../src/gen/stint/v1/types_pb.js";
import { createClient } from "../../src/wire/client.ts";
import type { Caller } from "../conformance/broker-scene.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { ASK_FIRST } from "./approval-daemon.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { OWN_ENTRIES, type Runtime, runtimeAt } from "./one-user.ts";
import { type Operator, operatorOf } from "./operator.ts";
import { REMOTE_ENDPOINTS, remoteOperator } from "./remote-operator.ts";

// Operators elsewhere, known by the certificate of their connection: they administer policies and approve what waits, as
// over the operator socket.

const OPERATORS = [
  { kind: "operator", name: "local", selectors: [`unix:uid:${process.getuid?.()}`], role: "admin" },
  { kind: "operator", name: "author", selectors: ["join_token:name:author"], role: "admin" },
  { kind: "operator", name: "steward", selectors: ["join_token:name:steward"], role: "approver" },
  { kind: "operator", name: "auditor", selectors: ["join_token:name:auditor"], role: "viewer" },
];

let daemon: Daemon;
let operator: Operator;
let runtime: Runtime;
let author: Caller;
let steward: Caller;
let auditor: Caller;

beforeAll(async () => {
  daemon = await startDaemon({ entries: [...OWN_ENTRIES, ...OPERATORS], config: REMOTE_ENDPOINTS });
  operator = operatorOf(daemon.operatorSocket);
  runtime = runtimeAt(daemon.workloadSocket);
  [author, steward, auditor] = await Promise.all([
    remoteOperator(daemon, operator, "author"),
    remoteOperator(daemon, operator, "steward"),
    remoteOperator(daemon, operator, "auditor"),
  ]);
});
afterAll(async () => {
  for (const client of [author, steward, auditor, runtime, operator]) client?.[Symbol.dispose]();
  await daemon?.[Symbol.asyncDispose]();
});

const parts = (text: string) => [
  { baseline: true },
  { part: { file: "site.cedar", text: Buffer.from(text) }, baseline: true },
];

/** Puts a set with the baseline and this text in force, from elsewhere. */
async function inForce(text: string): Promise<number> {
  const policies = author.clientOf(Policies);
  const { set, findings } = await policies.put(parts(text));
  expect(findings).toEqual([]);
  const version = set?.version ?? expect.fail("no version");
  await policies.activate({ version, reason: "of another office" });
  return version;
}

let runs = 0;
async function ask(): Promise<Step> {
  runs += 1;
  const { step } = await runtime.steps.open({
    ...{ runId: `far-${runs}`, step: "look-up", agent: "researcher", acceptPending: true },
    grant: { elements: [READ_SEARCH] },
  });
  return step ?? expect.fail("no step in the answer");
}

describe("policies administered from elsewhere", () => {
  test("are checked, put, put in force, listed, read, asked about and taken out of force", async () => {
    const policies = author.clientOf(Policies);
    const { findings } = await policies.check(parts("permit (principal, action, resource) when { context.nope };"));
    expect(findings).toMatchObject([{ file: "site.cedar", line: 1 }]);
    const { activation: before } = await policies.list({});

    const version = await inForce(ASK_FIRST);
    const { sets, activation } = await policies.list({});
    expect(sets.find((set) => set.version === version)).toMatchObject({ inForce: true });
    expect(activation).toMatchObject({ version, reason: "of another office", byOperator: true });
    const texts: string[] = [];
    for await (const { part } of policies.get({ version })) if (part.case === "policy") texts.push(part.value.policyId);
    expect(texts).toContain("ask-first");
    expect((await policies.schema({})).schema).toContain("principal");

    expect(await policies.activate({ version: before?.version ?? 0, reason: "back" })).toMatchObject({ changed: true });
    const { events } = await author.clientOf(History).listEvents({ type: "policy_set.activated" });
    expect(events.length).toBeGreaterThan(1);
  });

  test("are read by any operator but changed by administrators alone", async () => {
    const [approverPolicies, viewerPolicies] = [steward.clientOf(Policies), auditor.clientOf(Policies)];
    expect((await viewerPolicies.list({})).sets.length).toBeGreaterThan(0);
    for (const policies of [approverPolicies, viewerPolicies]) {
      await expect(policies.put(parts(ASK_FIRST))).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
      await expect(policies.activate({ version: 1, reason: "r" })).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
    }
  });
});

describe("a step that waits, answered from elsewhere", () => {
  beforeAll(() => inForce(`${ASK_FIRST}// of the steps below\n`));

  test("is approved by an operator with the role, whom no user is recorded of, and its runtime works with it", async () => {
    const step = await ask();
    const requestDigest = step.approval?.requestDigest ?? "";
    const approve = { stepId: step.stepId, requestDigest, reason: "looked at it" };
    const { step: approved } = await steward.clientOf(Approvals).approve(approve);
    expect(approved?.state).toBe(StepState.OPEN);
    expect(approved?.approval?.answer).toMatchObject({ approved: true, reason: "looked at it" });
    expect(approved?.approval?.answer?.uid).toBeUndefined();
    expect(await runtime.token(step, SEARCH)).toMatch(/^eyJ/);
    // Whoever looks at it later is told the same, on every endpoint.
    const by = { case: "stepId", value: step.stepId } as const;
    for (const steps of [steward.steps, operator.steps, runtime.steps]) {
      expect((await steps.get({ by })).step?.approval?.answer).toMatchObject({ approved: true });
    }
    await expect(steward.clientOf(Approvals).approve(approve)).rejects.toMatchObject({ reason: "STEP_EXISTS" });
  });

  test("is refused by an operator with the role", async () => {
    const { stepId } = await ask();
    const { step } = await steward.clientOf(Approvals).refuse({ stepId, reason: "not today" });
    expect(step).toMatchObject({ state: StepState.REFUSED, approval: { answer: { approved: false } } });
  });

  test("is answered by no other role, and goes on waiting", async () => {
    const { stepId, approval } = await ask();
    const requestDigest = approval?.requestDigest ?? "";
    for (const other of [author, auditor]) {
      const approvals = other.clientOf(Approvals);
      const answers = [
        approvals.approve({ stepId, requestDigest, reason: "r" }),
        approvals.refuse({ stepId, reason: "r" }),
      ];
      for (const answer of answers) await expect(answer).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
    }
    const { step } = await steward.steps.get({ by: { case: "stepId", value: stepId } });
    expect(step?.state).toBe(StepState.PENDING_APPROVAL);
  });
});

test("a call that waits is seen from elsewhere by those who may look, and approved by the role alone; it is made then", async () => {
  await inForce(`@id("ask-each")
@approval("operators")
forbid (principal, action, resource) when { context.act == Act::"call" };
`);
  const step = await ask();
  expect(step.state).toBe(StepState.OPEN);
  const { check } = createClient(Authorizations, operator.channel);
  const call = {
    credential: { case: "jwtSvid", value: await runtime.token(step, SEARCH) } as const,
    ...{ location: SEARCH, tool: "search", actions: ["read"], datatypes: ["internal"] },
    argumentsSha256: new Uint8Array(32).fill(0xab),
  };
  const { pending } = await check({ ...call, acceptPending: true });
  const approvalId = pending?.approvalId ?? expect.fail("the call does not wait");
  const filter = { stepId: step.stepId };
  for (const looking of [author, auditor, steward]) {
    const { calls } = await looking.clientOf(Approvals).listCalls({ filter, states: [CallApprovalState.WAITING] });
    expect(calls).toMatchObject([{ approvalId, policies: ["ask-each"] }]);
  }
  const { call: asked } = await steward.clientOf(Approvals).getCall({ approvalId });
  const approve = { approvalId, requestDigest: asked?.requestDigest ?? "", reason: "looked at it" };
  for (const other of [author, auditor]) {
    await expect(other.clientOf(Approvals).approveCall(approve)).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
  }
  const { call: approved } = await steward.clientOf(Approvals).approveCall(approve);
  expect(approved).toMatchObject({ state: CallApprovalState.APPROVED, answer: { approved: true } });
  expect(approved?.answer?.uid).toBeUndefined();
  expect(await check(call)).toMatchObject({ effect: Effect.ALLOW });
  expect(await check(call)).toMatchObject({ effect: Effect.DENY, reason: "POLICY_DENIED" });
});
