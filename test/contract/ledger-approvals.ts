import { expect, test } from "vitest";
import { decidedOn } from "../../src/domain/decision.ts";
import type { Step } from "../../src/domain/step.ts";
import { addMicros, addSeconds, secondsOf } from "../../src/domain/time.ts";
import type { ApproveStepAct } from "../../src/ports/approval-acts.ts";
import type { OpenStepAct } from "../../src/ports/ledger-acts.ts";
import { APPROVER, approveAct, pending, pendingAct } from "./approval-acts.ts";
import { done, OPERATOR, type World } from "./ledger-world.ts";

/** What the ledger promises of steps that wait for approval. */
export function approvalsContract(worldOf: () => World): void {
  const refusal = (code: string, message?: string) =>
    expect.objectContaining({ kind: "denial", code, ...(message === undefined ? {} : { message }) });

  const factsOf = async (world: World, step: Step) =>
    (await world.store.steps.world([`run:${step.runId}`], [], "run")).facts;

  test("a step that waits reads back as it was answered, and is among the steps that are not closed", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const { committed, following } = world.follow();
    const step = await pending(world, agent);
    expect(step).toMatchObject({
      state: "PENDING_APPROVAL",
      held: false,
      approval: { role: "operators", requesters: [33] },
    });
    expect((await world.openSteps()).filter(({ agentEntryId }) => agentEntryId === agent.entryId)).toEqual([step]);
    expect(await factsOf(world, step)).toEqual([]);
    await following.reached(world.ledger.head().sequence);
    following.end();
    expect(committed.map(({ event }) => event.type)).toEqual(["decision.made", "step.pending"]);
  });

  test("nothing is done with a step that waits but to answer or to close it", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const step = await pending(world, agent, { leaseSeconds: 30 });
    const { stepId } = step;
    const now = world.clock.now();
    expect(await world.ledger.perform({ act: "hold-step", stepId, now })).toEqual(refusal("STEP_CLOSED"));
    expect(await world.ledger.perform({ act: "renew-step", stepId, now })).toEqual(refusal("STEP_CLOSED"));
    const issued = world.issueAct([world.record(step)], { entryId: agent.entryId });
    expect(await world.ledger.perform(issued)).toEqual([refusal("STEP_CLOSED")]);
    const child = world.openAct(agent, { runId: step.runId, parentStepId: stepId, expiresAt: step.expiresAt });
    expect(await world.ledger.perform(child)).toEqual(refusal("DELEGATION_REFUSED"));
  });

  test("its work never began, so that it is neither completed nor failed, but taken back", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const [step, open] = [await pending(world, agent), await world.open(agent)];
    const head = world.ledger.head().sequence;
    const close = (stepIds: readonly string[], state: "COMPLETED" | "FAILED" | "CANCELLED") =>
      world.ledger.perform(world.closeAct({ kind: "steps", stepIds }, { state }));
    for (const state of ["COMPLETED", "FAILED"] as const) {
      const refused = await close([step.stepId], state);
      expect(refused).toMatchObject({ kind: "denial", code: "INVALID_FIELD" });
      expect(refused).toMatchObject({ metadata: { field: "outcome", state: "PENDING_APPROVAL" } });
      expect(await close([open.stepId, step.stepId], state)).toEqual(refusal("INVALID_FIELD"));
    }
    expect(world.ledger.head().sequence).toBe(head);
    expect(await close([step.stepId], "CANCELLED")).toMatchObject({ stepsClosed: 1, credentialsRevoked: 0 });
    // Of one that is closed, the answer is what was recorded, whatever is said now.
    expect(await close([step.stepId], "COMPLETED")).toMatchObject({ alreadyClosed: true });
    expect(await world.step(step.stepId)).toMatchObject({ state: "CANCELLED" });
  });

  test("it counts for the limits of its opener and executor", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const { executor, runId } = await pending(world, agent);
    const limited = (act: Partial<OpenStepAct>) => world.ledger.perform(world.openAct(agent, { runId, executor }, act));
    expect(await limited({ openStepsMax: 1 })).toEqual(refusal("LIMIT_EXCEEDED"));
    expect(await limited({ executorOpenStepsMax: 1 })).toEqual(refusal("LIMIT_EXCEEDED"));
    expect(await limited({ openStepsMax: 2, executorOpenStepsMax: 2 })).toMatchObject({ kind: "opened" });
  });

  test("an approval opens it: its time, its lease and its grant count from then on, by another decision", async () => {
    const world = worldOf();
    const step = await pending(world, await world.agent(), { leaseSeconds: 30 });
    world.clock.advance(20_000);
    const act = approveAct(world, step);
    const { sequence } = done(await world.ledger.perform(act));
    const approved = await world.step(step.stepId);
    const answer = { approved: true, by: { entryId: APPROVER.entryId, uid: 52 }, reason: "r", at: act.now };
    expect(approved).toEqual({
      ...step,
      state: "OPEN",
      openedAt: act.now,
      expiresAt: act.expiresAt,
      leaseExpiresAt: addMicros(act.now, 30_000_000),
      decisionId: act.decision.decisionId,
      judgedSequence: sequence,
      approval: { ...step.approval, answer },
    });
    expect(await factsOf(world, step)).toMatchObject([{ actions: ["read"], stepsOpen: 1, steps: 1, version: 1 }]);
    await world.close(approved);
    expect(await factsOf(world, step)).toMatchObject([{ stepsOpen: 0, steps: 1 }]);
  });

  test("an approval is taken once", async () => {
    const world = worldOf();
    const step = await pending(world, await world.agent());
    done(await world.ledger.perform(approveAct(world, step)));
    const head = world.ledger.head().sequence;
    expect(await world.ledger.perform(approveAct(world, step))).toEqual(
      refusal("STEP_EXISTS", "the step was approved already"),
    );
    const refused = {
      act: "refuse-step",
      stepId: step.stepId,
      reason: "r",
      by: APPROVER,
      now: world.clock.now(),
    } as const;
    expect(await world.ledger.perform(refused)).toEqual(refusal("STEP_EXISTS"));
    expect(world.ledger.head().sequence).toBe(head);
  });

  test("each guard of an approval", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const step = await pending(world, agent);
    const approve = (own: Partial<ApproveStepAct>) => world.ledger.perform(approveAct(world, step, own));
    expect(await approve({ step: { ...step, stepId: "step_none" } })).toEqual(refusal("STEP_NOT_FOUND"));
    expect(await approve({ requestDigest: "e".repeat(64) })).toEqual(refusal("INVALID_FIELD"));
    expect(await approve({ by: { ...APPROVER, uid: 33 } })).toEqual(refusal("NOT_ENTITLED"));
    const other = decidedOn({ entryId: agent.entryId, revision: 7 });
    expect(await approve({ decidedOn: other })).toEqual(refusal("DECISION_OUTDATED"));
    expect(await approve({ expiresAt: secondsOf(world.clock.now()) })).toEqual(refusal("STEP_EXPIRING"));
    const open = await world.open(agent);
    expect(await world.ledger.perform(approveAct(world, open))).toEqual(
      refusal("STEP_EXISTS", "the step waits for no approval"),
    );
    world.clock.advance(60_000);
    expect(await approve({})).toEqual(refusal("STEP_CLOSED", "the time in which the step could be approved is over"));
    await world.close(step, { state: "REFUSED" });
    expect(await approve({})).toEqual(refusal("STEP_CLOSED", "the step is REFUSED"));
  });

  test("the end that was due while it waited does not end the step that was approved just before", async () => {
    const world = worldOf();
    const step = await pending(world, await world.agent());
    done(await world.ledger.perform(approveAct(world, step)));
    world.clock.advance(60_000);
    const closed = await world.close(step, { state: "REFUSED", onlyIf: { expiredAt: world.clock.now() } });
    expect(closed).toMatchObject({ stepsClosed: 0 });
    expect(await world.step(step.stepId)).toMatchObject({ state: "OPEN" });
  });

  test("nothing is approved below a parent that ended, or ends before", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const parent = await world.open(agent);
    const below = { runId: parent.runId, parentStepId: parent.stepId, depth: 1 };
    const step = await pending(world, agent, below);
    const late = addSeconds(parent.expiresAt, 1);
    expect(await world.ledger.perform(approveAct(world, step, { expiresAt: late }))).toEqual(
      refusal("DELEGATION_REFUSED"),
    );
    await world.close(parent);
    expect(await world.step(step.stepId)).toMatchObject({ state: "CANCELLED" });
    expect(await world.ledger.perform(approveAct(world, step))).toEqual(refusal("STEP_CLOSED"));
  });

  test("it takes no attempt's place until it is approved, and is fenced off by a newer one", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const first = await world.open(agent);
    const attempt = (number: number) => ({ runId: first.runId, step: first.step, attempt: number });
    expect(await world.ledger.perform(pendingAct(world, agent, attempt(2)))).toEqual(refusal("STEP_EXISTS"));
    const second = await pending(world, agent, attempt(2), { supersedes: true });
    const third = await pending(world, agent, attempt(3), { supersedes: true });
    expect(await world.step(first.stepId)).toEqual(first);
    expect(await world.step(second.stepId)).toEqual(second);
    const standing = await world.store.steps.standingAttempts(first.runId, first.step);
    expect(standing.map((one) => one.attempt)).toEqual([3, 2, 1]);
    expect(await world.ledger.perform(approveAct(world, second))).toEqual(refusal("STALE_ATTEMPT"));
    done(await world.ledger.perform(approveAct(world, third)));
    for (const { stepId } of [first, second]) expect(await world.step(stepId)).toMatchObject({ state: "SUPERSEDED" });
  });

  test("a newest attempt that was refused does not let another be opened beside the one that is open", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const first = await world.open(agent);
    const { runId, step } = first;
    const second = await pending(world, agent, { runId, step, attempt: 2 }, { supersedes: true });
    await world.close(second, { state: "REFUSED" });
    const third = (supersedes: boolean) =>
      world.ledger.perform(world.openAct(agent, { runId, step, attempt: 3 }, { supersedes }));
    expect(await third(false)).toEqual(refusal("STEP_EXISTS"));
    expect(await third(true)).toMatchObject({ kind: "opened" });
    expect(await world.step(first.stepId)).toMatchObject({ state: "SUPERSEDED" });
  });

  test("a refusal says who and why, and closes it", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const step = await pending(world, agent);
    const refuse = (stepId: string) =>
      world.ledger.perform({ act: "refuse-step", stepId, reason: "no", by: APPROVER, now: world.clock.now() });
    expect(await refuse("step_none")).toEqual(refusal("STEP_NOT_FOUND"));
    expect(done(await refuse(step.stepId))).toMatchObject({ stepsClosed: 1, alreadyClosed: false });
    const answer = { approved: false, by: { entryId: APPROVER.entryId, uid: 52 }, reason: "no", at: world.clock.now() };
    expect(await world.step(step.stepId)).toMatchObject({
      state: "REFUSED",
      closeReason: "privilegeWithdrawn",
      approval: { answer },
    });
    expect(await refuse(step.stepId)).toEqual(refusal("STEP_CLOSED"));
    expect(await factsOf(world, step)).toEqual([]);
    const limited = world.openAct(agent, { runId: step.runId }, { openStepsMax: 1 });
    expect(await world.ledger.perform(limited)).toMatchObject({ kind: "opened" });
  });

  test("what ends a run, an entry or a principal ends what waits in it", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const principalId = world.name();
    const step = await pending(world, agent);
    const other = await pending(world, agent);
    const works = await pending(world, agent, { principal: { principalId, sealed: "s" } });
    const ending = { state: "REVOKED", by: OPERATOR } as const;
    await world.close({ kind: "run", runId: step.runId }, ending);
    const { clock } = world;
    done(
      await world.ledger.perform({
        act: "offboard-principal",
        principalId,
        barAhead: false,
        by: OPERATOR,
        now: clock.now(),
      }),
    );
    await world.close({ kind: "entry", entryId: agent.entryId }, ending);
    for (const { stepId } of [step, other, works]) expect(await world.step(stepId)).toMatchObject({ state: "REVOKED" });
  });
}
