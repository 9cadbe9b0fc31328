import { describe, expect, test } from "vitest";
import { askPolicyOnCall } from "../../src/check/ask-policy.ts";
import { judgeSteps } from "../../src/decide/judge-steps.ts";
import { REASON_OF_STATE } from "../../src/domain/step.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { APPROVAL_SECONDS, OPERATOR } from "../simulation/broker.ts";
import { approvalScene, HELD, NEVER, SAFE } from "./approval-scene.ts";
import { segment } from "./path-scene.ts";

/** Asks for the same role as the policy that the scene has. */
const NEXT = `
@id("site.payments_are_approved")
@approval("operators")
forbid (principal, action, resource == Tool::"pay");
`;

const refused = (code: string, metadata: object = {}) =>
  expect.objectContaining({ code, metadata: expect.objectContaining(metadata) as object });

describe("what policies hold back for approval waits for it", () => {
  test("a client that does not accept to wait is refused, with the hint that approval can help", async () => {
    const { openResult, store } = await approvalScene();
    const { acceptPending: _, ...older } = { acceptPending: true, runId: segment("run") };
    await expect(openResult(HELD, { ...older, acceptPending: undefined as never })).rejects.toEqual(
      refused("POLICY_DENIED", { approval: "operators" }),
    );
    expect(await store.projections.openSteps()).toMatchObject({ value: [] });
  });

  test("the step waits with all that was asked for, and is granted and issued nothing", async () => {
    const { ask, facts, clerk, issue, clock, decisions, broker } = await approvalScene();
    const step = await ask();
    const asked = secondsOf(clock.now());
    expect(step).toMatchObject({
      state: "PENDING_APPROVAL",
      grant: HELD,
      expiresAt: addSeconds(asked, APPROVAL_SECONDS),
      approval: {
        role: "operators",
        policies: ["site.writes_are_approved"],
        until: addSeconds(asked, APPROVAL_SECONDS),
        stepSeconds: 300,
        requesters: [33],
      },
    });
    expect(await facts()).toEqual([]);
    expect(broker.stepDirectory.open()).toEqual([]);
    const [decision] = await decisions();
    expect(decision).toMatchObject({
      effect: "deny",
      approval: "operators",
      granted: [],
      stepId: step.stepId,
      decisionId: step.decisionId,
      message: expect.stringContaining("held back until operators approve it"),
      caller: { uid: 33, selectors: ["unix:uid:33"] },
    });
    await expect(issue(clerk, step.stepId)).rejects.toEqual(refused("STEP_CLOSED", { state: "PENDING_APPROVAL" }));
  });

  test("credentials that were wanted with it do not come", async () => {
    const { openAndIssue, clerk } = await approvalScene();
    const [location = ""] = HELD[0]?.locations ?? [];
    const own = { agent: segment("clerk"), grant: HELD, executor: { kind: "self" }, acceptPending: true } as const;
    const opened = await openAndIssue(clerk, own, [{ kind: "jwt-svid", audiences: [location] }]);
    expect(opened).toMatchObject({ step: { state: "PENDING_APPROVAL" }, svids: [] });
  });

  test("what else stands in the way is refused at once", async () => {
    const { openResult, setRisk } = await approvalScene();
    const outside = [{ ...(HELD[0] as (typeof HELD)[number]), datatypes: ["secret"] }];
    await expect(openResult(NEVER)).rejects.toEqual(refused("POLICY_DENIED"));
    await expect(openResult([...HELD, ...NEVER])).rejects.toEqual(refused("POLICY_DENIED"));
    await expect(openResult([...HELD, ...outside])).rejects.toEqual(refused("POLICY_DENIED"));
    for (const grant of [NEVER, [...HELD, ...NEVER], [...HELD, ...outside]]) {
      const thrown = (await openResult(grant).catch((error: unknown) => error)) as { metadata: object };
      expect(thrown.metadata).not.toHaveProperty("approval");
    }
    await setRisk("elevated");
    await expect(openResult(HELD)).rejects.toEqual(refused("POLICY_DENIED"));
  });

  test("a part that needs no approval is opened with it, where the request takes a part", async () => {
    const { openResult } = await approvalScene();
    expect(await openResult([...SAFE, ...HELD], { allowPartial: true })).toMatchObject({
      step: { state: "OPEN", grant: SAFE },
      refused: HELD,
    });
  });

  test("nothing waits that asks for more calls than the ceiling allows: approving could not help", async () => {
    const { openResult, enter } = await approvalScene();
    const [held] = HELD;
    if (held === undefined) throw new TypeError("the scene has lost its grant");
    const clerk = { kind: "agent", selectors: ["unix:uid:33"], mayOpen: true, allowAnyExecutor: true } as const;
    await enter({ ...clerk, name: "counted", ceiling: [{ ...held, max_calls: 3 }] });
    const asked = { agent: segment("counted"), allowPartial: true };
    const refusal = openResult([{ ...held, max_calls: 5 }], asked);
    await expect(refusal).rejects.toEqual(refused("POLICY_DENIED"));
    await expect(refusal).rejects.not.toHaveProperty("metadata.approval");
    expect((await openResult([{ ...held, max_calls: 3 }], asked)).step).toMatchObject({ state: "PENDING_APPROVAL" });
  });

  test("the same request again gets the step that waits", async () => {
    const { ask } = await approvalScene();
    const step = await ask(HELD, { requestId: "again" });
    expect(await ask(HELD, { requestId: "again" })).toEqual(step);
  });
});

describe("an approval opens it", () => {
  test("from then on its time counts, and its grant, and credentials are issued", async () => {
    const { ask, approve, clock, facts, clerk, issue, decisions, broker, store, stepNow } = await approvalScene();
    const step = await ask();
    clock.advance(400_000);
    const approved = await approve(step);
    const now = clock.now();
    expect(approved).toMatchObject({
      state: "OPEN",
      openedAt: now,
      expiresAt: addSeconds(secondsOf(now), 300),
      openedSequence: step.openedSequence,
      approval: { answer: { approved: true, by: { uid: 52 }, reason: "looked at it", at: now } },
    });
    expect(await facts()).toMatchObject([{ classes: ["internal"], actions: ["write"], stepsOpen: 1, steps: 1 }]);
    const [decision] = await decisions();
    expect(decision).toMatchObject({ effect: "allow", granted: HELD, situation: { approved: "operators" } });
    expect(approved.decisionId).toBe(decision?.decisionId);
    expect(broker.stepDirectory.open()).toEqual([approved]);
    expect(await issue(clerk, step.stepId)).toHaveLength(1);
    clock.advance(301_000);
    await store.ledger.perform({ act: "hold-step", stepId: step.stepId, now: clock.now() });
    expect(await stepNow(step)).toMatchObject({ state: "EXPIRED" });
    expect(await facts()).toMatchObject([{ stepsOpen: 0, steps: 1 }]);
  });

  test("it stays open when it is judged anew: the policy that asked for the approval was answered", async () => {
    const { ask, approve, broker, stepNow, openResult } = await approvalScene();
    const step = await approve(await ask());
    // A grant that adds to what the run was granted has its open steps judged first.
    await openResult(SAFE, { step: segment("other") });
    expect(await stepNow(step)).toMatchObject({ state: "OPEN" });
    expect(broker.stepDirectory.open()).toHaveLength(2);
  });

  test("it ends where another policy asks for an approval that nobody gave", async () => {
    const { ask, approve, activate, site, broker, stepNow } = await approvalScene();
    const step = await approve(await ask());
    await activate(`${site}\n${NEXT}`);
    expect(await judgeSteps([await stepNow(step)], broker.ports)).toMatchObject([
      { judged: { denial: { reason: "POLICY_DENIED", determiningPolicies: ["site.payments_are_approved"] } } },
    ]);
  });

  test("its calls need no approval by what it was approved for, and each of them one by what holds back calls alone", async () => {
    const { ask, approve, activate, site, broker, stepNow } = await approvalScene();
    const agent = broker.ports.entries.byName("agent", segment("clerk"));
    const [use] = HELD;
    if (agent === undefined || use === undefined) throw new TypeError("the scene has lost its agent or its grant");
    const step = await stepNow(await approve(await ask()));
    expect(await askPolicyOnCall({ step, agent, use }, broker.ports)).toMatchObject({ effect: "allow" });
    const payments = "site.payments_are_approved";
    await activate(`${site}\n${NEXT.replace(";", ' when { context.act == Act::"call" };')}`);
    expect(await askPolicyOnCall({ step, agent, use }, broker.ports)).toMatchObject({
      effect: "deny",
      heldBack: { role: "operators", policies: [payments] },
    });
    const approved = { role: "operators", policies: [payments] };
    expect(await askPolicyOnCall({ step, agent, use, approved }, broker.ports)).toMatchObject({ effect: "allow" });
  });

  test("an attempt that waits takes no other's place; the approved one does", async () => {
    const { ask, approve, stepNow, openResult } = await approvalScene();
    const first = (await openResult(SAFE)).step;
    await expect(openResult(HELD)).rejects.toEqual(refused("STEP_EXISTS", { attempt: "1" }));
    const second = await ask(HELD, { attempt: 2 });
    expect(await stepNow(first)).toMatchObject({ state: "OPEN" });
    await approve(second);
    expect(await stepNow(first)).toMatchObject({ state: "SUPERSEDED" });
  });

  test("only the newest attempt is approved", async () => {
    const { ask, approve, stepNow } = await approvalScene();
    const first = await ask();
    const second = await ask(HELD, { attempt: 2 });
    await expect(approve(first)).rejects.toEqual(refused("STALE_ATTEMPT", { attempt: "2" }));
    await approve(second);
    expect(await stepNow(first)).toMatchObject({ state: "SUPERSEDED" });
  });

  test("a retry after a refusal meets the attempt that is still open", async () => {
    const { ask, refuse, openResult } = await approvalScene();
    await openResult(SAFE);
    await refuse(await ask(HELD, { attempt: 2 }));
    await expect(openResult(SAFE)).rejects.toEqual(refused("STEP_EXISTS", { attempt: "1" }));
    expect((await openResult(SAFE, { attempt: 3 })).step).toMatchObject({ state: "OPEN", attempt: 3 });
  });
});

describe("attacks", () => {
  test("an approval used twice", async () => {
    const { ask, approve, stepNow, decisions } = await approvalScene();
    const step = await ask();
    const approved = await approve(step);
    const before = (await decisions()).length;
    await expect(approve(step)).rejects.toEqual(refused("STEP_EXISTS", { state: "OPEN" }));
    expect(await stepNow(step)).toEqual(approved);
    expect(await decisions()).toHaveLength(before);
  });

  test("an approval used twice at one time", async () => {
    const { ask, approve, facts } = await approvalScene();
    const step = await ask();
    const both = await Promise.allSettled([approve(step), approve(step)]);
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(await facts()).toMatchObject([{ stepsOpen: 1, steps: 1 }]);
  });

  test("an approval used again for another attempt of the same step", async () => {
    const { ask, approve, clerk, broker } = await approvalScene();
    const step = await approve(await ask());
    await broker.close(clerk, { stepId: step.stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 });
    expect(await ask()).toMatchObject({ state: "PENDING_APPROVAL", attempt: 2 });
  });

  test("a request for more calls than a delegation token passes on, which an approval would let past the token", async () => {
    const { ask, approve, enter, broker, clerk, kernel, requestOf } = await approvalScene();
    const [held] = HELD;
    if (held === undefined) throw new TypeError("the scene has lost its grant");
    const atMost = (calls: number) => [{ ...held, max_calls: calls }];
    const parent = await approve(await ask(atMost(10)));
    await enter({ kind: "runtime", name: "receiver", selectors: ["unix:uid:44"], agents: ["clerk"] });
    const order = { stepId: parent.stepId, runtime: segment("receiver"), uses: 2, grant: atMost(3) };
    const parentToken = Buffer.from((await broker.delegate(clerk, order)).svid).toString("latin1");
    const receiver = kernel.start(44);
    const asked = { agent: segment("clerk"), runId: segment("child"), executor: { kind: "any" }, parentToken } as const;
    const child = async (calls: number) => {
      const request = requestOf({ ...asked, acceptPending: true, allowPartial: true, grant: atMost(calls) });
      return (await broker.open(receiver, request)).step;
    };
    await expect(child(5)).rejects.toEqual(refused("POLICY_DENIED"));
    const waiting = await child(3);
    expect(waiting).toMatchObject({ state: "PENDING_APPROVAL", grant: atMost(3) });
    expect(await approve(waiting)).toMatchObject({ state: "OPEN", grant: atMost(3) });
  });

  test("approval of a request that changed: the digest is of another request", async () => {
    const { ask, approve, stepNow } = await approvalScene();
    const looked = await ask();
    const swapped = await ask([...HELD, ...SAFE], { attempt: 2 });
    await expect(approve(swapped, undefined, looked.approval?.requestDigest)).rejects.toEqual(
      refused("INVALID_FIELD", { field: "request_digest" }),
    );
    expect(await stepNow(swapped)).toMatchObject({ state: "PENDING_APPROVAL" });
  });

  test("approval of a request that changed: what it stands on is not what it was", async () => {
    const { ask, approve, setRisk, activate, site, stepNow } = await approvalScene();
    const step = await ask();
    await setRisk("elevated");
    await expect(approve(step)).rejects.toEqual(refused("POLICY_DENIED"));
    expect(await stepNow(step)).toMatchObject({ state: "PENDING_APPROVAL" });
    await setRisk("low");
    await activate(`${site}\n@id("site.no_payments")\nforbid (principal, action, resource == Tool::"pay");`);
    const thrown: unknown = await approve(step).catch((error: unknown) => error);
    expect(thrown).toEqual(refused("POLICY_DENIED", { decision_id: expect.stringMatching(/^dec_/) as string }));
    expect(thrown).toMatchObject({ denial: { refused: [{ element: HELD[0], layer: "policy" }] } });
    await activate(site);
    expect(await approve(step)).toMatchObject({ state: "OPEN" });
  });

  test("approval of a request that another policy holds back by now: whoever looked did not look at that", async () => {
    const { ask, approve, activate, site, stepNow } = await approvalScene();
    const step = await ask();
    await activate(`${site}\n${NEXT}`);
    await expect(approve(step)).rejects.toEqual(refused("POLICY_DENIED"));
    expect(await stepNow(step)).toMatchObject({ state: "PENDING_APPROVAL" });
    const both = ["site.payments_are_approved", "site.writes_are_approved"];
    const again = await ask(HELD, { attempt: 2 });
    expect(again).toMatchObject({ approval: { policies: both } });
    expect(await approve(again)).toMatchObject({ state: "OPEN" });
  });

  test("the world changes between the decision and its record: it is decided again", async () => {
    const { ask, approve, onAct, store, clock, stepNow } = await approvalScene();
    const step = await ask();
    let raised: Promise<unknown> | undefined;
    onAct(({ act }) => {
      if (act !== "approve-step" || raised !== undefined) return;
      const expiresAt = addSeconds(secondsOf(clock.now()), 60);
      const risk = { act: "set-risk", scope: "domain", level: "high", expiresAt, reason: "r" } as const;
      raised = store.ledger.perform({ ...risk, by: OPERATOR, now: clock.now() });
    });
    await expect(approve(step)).rejects.toEqual(refused("POLICY_DENIED"));
    expect(await stepNow(step)).toMatchObject({ state: "PENDING_APPROVAL" });
  });

  test("the one who asked approves, by another entry and another process", async () => {
    const { ask, approve, requester, stepNow } = await approvalScene();
    const step = await ask();
    await expect(approve(step, requester)).rejects.toEqual(refused("NOT_ENTITLED"));
    expect(await stepNow(step)).toMatchObject({ state: "PENDING_APPROVAL" });
  });

  test("the user of the executor approves what another opened for it", async () => {
    const { ask, approve, enter, kernel, stepNow } = await approvalScene();
    await enter({ kind: "operator", name: "mallory", selectors: ["unix:uid:34"], role: "approver" });
    await enter({
      kind: "agent",
      name: "worker",
      selectors: ["unix:uid:34"],
      ceiling: HELD,
      mayOpen: false,
      allowAnyExecutor: false,
    });
    await enter({ kind: "runtime", name: "works", selectors: ["unix:uid:33"], agents: ["worker"] });
    const worker = kernel.start(34);
    const step = await ask(HELD, { agent: segment("worker"), executor: { kind: "pid", pid: worker.peer.pid } });
    expect(step.approval?.requesters).toEqual([33, 34]);
    await expect(approve(step, worker)).rejects.toEqual(refused("NOT_ENTITLED"));
    expect(await stepNow(step)).toMatchObject({ state: "PENDING_APPROVAL" });
  });

  test("whoever may not answer leaves a record of each try, and no more than ten a minute and a count", async () => {
    const { ask, approve, refuse, requester, operator, kernel, decisions, broker } = await approvalScene();
    const step = await ask();
    const before = (await decisions()).length;
    await expect(approve(step, requester)).rejects.toEqual(refused("NOT_ENTITLED"));
    await expect(refuse(step, operator)).rejects.toEqual(refused("NOT_ENTITLED"));
    const made = (await decisions()).slice(0, -before);
    const of = { stepId: step.stepId, agent: "clerk", runId: "run", attempt: 1, requested: HELD, granted: [] };
    expect(made).toMatchObject([
      {
        ...{ act: "administer", effect: "deny", reason: "NOT_ENTITLED", ...of },
        message: "only for operators with the role approver",
      },
      {
        ...{ act: "administer", effect: "deny", reason: "NOT_ENTITLED", ...of, caller: { uid: 33 } },
        message: "the user who asked does not approve",
      },
    ]);
    // What is refused for another reason than authority is no decision.
    await expect(approve(step, undefined, "e".repeat(64))).rejects.toEqual(refused("INVALID_FIELD"));
    expect(await decisions()).toHaveLength(before + 2);

    for (let tries = 0; tries < 30; tries++) {
      const another = { ...step, stepId: `step_made_up_${tries}` };
      await expect(approve(another, kernel.start(33))).rejects.toEqual(refused("STEP_NOT_FOUND"));
      await expect(approve(step, kernel.start(33))).rejects.toEqual(refused("NOT_ENTITLED"));
    }
    await broker.ports.denials.flush();
    const counts = (await decisions()).slice(0, -before).map(({ count }) => count);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(32);
    expect(counts).toHaveLength(12);
  });

  test("an administrator, or a viewer, approves or refuses", async () => {
    const { ask, approve, refuse, operator, stepNow } = await approvalScene();
    const step = await ask();
    await expect(approve(step, operator)).rejects.toEqual(refused("NOT_ENTITLED"));
    await expect(refuse(step, operator)).rejects.toEqual(refused("NOT_ENTITLED"));
    expect(await stepNow(step)).toMatchObject({ state: "PENDING_APPROVAL" });
  });

  test("an approval after its time, and of a step that is over", async () => {
    const { ask, approve, refuse, clock, stepNow, store } = await approvalScene();
    const late = await ask();
    clock.advance(APPROVAL_SECONDS * 1_000);
    await expect(approve(late)).rejects.toEqual(refused("STEP_CLOSED"));
    await store.ledger.perform({ act: "hold-step", stepId: late.stepId, now: clock.now() });
    expect(await stepNow(late)).toMatchObject({ state: "REFUSED", closeReason: REASON_OF_STATE.REFUSED });
    await expect(approve(late)).rejects.toEqual(refused("STEP_CLOSED", { state: "REFUSED" }));
    await expect(refuse(late)).rejects.toEqual(refused("STEP_CLOSED", { state: "REFUSED" }));
  });

  test("a step of which an open one is refused, as if it waited", async () => {
    const { ask, refuse, openResult } = await approvalScene();
    const open = (await openResult(SAFE)).step;
    await expect(refuse(open)).rejects.toEqual(refused("STEP_EXISTS", { state: "OPEN" }));
    expect(await ask(HELD, { step: segment("other") })).toMatchObject({ state: "PENDING_APPROVAL" });
  });
});

describe("what ends a step that waits", () => {
  test("a refusal, which says who refused it and why", async () => {
    const { ask, refuse, facts } = await approvalScene();
    expect(await refuse(await ask())).toMatchObject({
      state: "REFUSED",
      approval: { answer: { approved: false, by: { uid: 52 }, reason: "not today" } },
    });
    expect(await facts()).toEqual([]);
  });

  test("the end of its parent", async () => {
    const { ask, approve, clerk, broker, stepNow } = await approvalScene();
    const parent = await approve(await ask());
    const child = await ask(HELD, { step: segment("child"), parentStepId: parent.stepId });
    expect(child).toMatchObject({ state: "PENDING_APPROVAL" });
    await broker.close(clerk, { stepId: parent.stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 });
    expect(await stepNow(child)).toMatchObject({ state: "CANCELLED" });
    await expect(approve(child)).rejects.toEqual(refused("STEP_CLOSED", { state: "CANCELLED" }));
  });

  test("its opener, who takes the request back", async () => {
    const { ask, clerk, broker, stepNow } = await approvalScene();
    const step = await ask();
    const close = (outcome: "COMPLETED" | "FAILED" | "CANCELLED") =>
      broker.close(clerk, { stepId: step.stepId, outcome, awaitReceiptsMs: 0 });
    for (const outcome of ["COMPLETED", "FAILED"] as const) {
      await expect(close(outcome)).rejects.toEqual(refused("INVALID_FIELD", { field: "outcome" }));
    }
    expect(await stepNow(step)).toMatchObject({ state: "PENDING_APPROVAL" });
    await close("CANCELLED");
    expect(await stepNow(step)).toMatchObject({ state: "CANCELLED" });
  });

  test("nobody who only executes it, and has no outcome to report yet", async () => {
    const { enter, kernel, broker, requestOf, clerk, stepNow } = await approvalScene();
    await enter({ kind: "runtime", name: "desk", selectors: ["unix:uid:61"], agents: [segment("clerk")] });
    const asked = { agent: segment("clerk"), executor: { kind: "any" }, acceptPending: true, grant: HELD } as const;
    const { step } = await broker.open(kernel.start(61), requestOf(asked));
    for (const outcome of ["COMPLETED", "CANCELLED"] as const) {
      const closed = broker.close(clerk, { stepId: step.stepId, outcome, awaitReceiptsMs: 0 });
      await expect(closed).rejects.toMatchObject({
        code: "NOT_ENTITLED",
        message: "only its opener takes back a step that waits for approval",
      });
    }
    expect(await stepNow(step)).toMatchObject({ state: "PENDING_APPROVAL" });
  });

  test("the revocation of its run, which bars its approval", async () => {
    const { ask, approve, store, clock, stepNow } = await approvalScene();
    const step = await ask();
    const target = { kind: "run", runId: "run" } as const;
    const ending = { state: "REVOKED", reason: "privilegeWithdrawn", by: OPERATOR } as const;
    await store.ledger.perform({ act: "close", target, ...ending, now: clock.now() });
    expect(await stepNow(step)).toMatchObject({ state: "REVOKED" });
    await expect(approve(step)).rejects.toEqual(refused("STEP_CLOSED", { state: "REVOKED" }));
  });

  test("the end of its executor's process", async () => {
    const { ask, clerk, kernel, clock, stepNow, store } = await approvalScene();
    const step = await ask(HELD, { executor: { kind: "self" } });
    kernel.kill(clerk);
    clock.advance(2_000);
    await store.ledger.perform({ act: "hold-step", stepId: step.stepId, now: clock.now() });
    expect(await stepNow(step)).toMatchObject({ state: "ABANDONED" });
  });
});
