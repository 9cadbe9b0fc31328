import { hash } from "node:crypto";
import { expect, test } from "vitest";
import type { StepClosed } from "../../src/domain/ledger-event.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { descendantState, REASON_OF_STATE, type Step } from "../../src/domain/step.ts";
import { addMicros, microsOf } from "../../src/domain/time.ts";
import { OPERATOR, present, processOf, type World } from "./ledger-world.ts";

const CLOSED_STATES = ["COMPLETED", "FAILED", "CANCELLED", "EXPIRED", "ABANDONED", "REVOKED"] as const;

/** What a close promises: the whole subtree at once, and once only. */
export function closingContract(worldOf: () => World): void {
  /** Two levels below a root, and a step beside it. */
  async function family(world: World) {
    const agent = await world.agent();
    const root = await world.open(agent);
    const [left, right] = [await world.openChild(agent, root), await world.openChild(agent, root)];
    const grandchild = await world.openChild(agent, left);
    const beside = await world.open(agent, { runId: root.runId });
    return { agent, root, left, right, grandchild, beside };
  }

  async function closeEvent(world: World, sequence: number): Promise<StepClosed> {
    const [row] = await world.store.history.events({ before: sequence + 1, limit: 1 });
    return JSON.parse(Buffer.from(present(row).canonical).toString()) as StepClosed;
  }

  test.for(CLOSED_STATES)("closing as %s ends every descendant with it, and nothing else", async (state) => {
    const world = worldOf();
    const { root, left, right, grandchild, beside } = await family(world);
    for (const step of [root, grandchild, grandchild, beside]) await world.issue(step);
    world.clock.advance(1_000);
    const result = await world.close(root, { state });
    const now = world.clock.now();
    expect(result).toEqual({
      kind: "closed",
      firstSequence: world.ledger.head().sequence,
      sequence: world.ledger.head().sequence,
      closedAt: now,
      alreadyClosed: false,
      stepsClosed: 4,
      credentialsRevoked: 3,
    });
    const closed = { closedSequence: result.sequence, closedAt: now, closeReason: REASON_OF_STATE[state] };
    expect(await world.step(root.stepId)).toEqual({ ...root, ...closed, state });
    for (const step of [left, right, grandchild]) {
      expect(await world.step(step.stepId)).toEqual({ ...step, ...closed, state: descendantState(state) });
    }
    expect(await world.step(beside.stepId)).toEqual(beside);
  });

  test("a close is one event, which names its steps by count and digest", async () => {
    const world = worldOf();
    const { root, left, right, grandchild } = await family(world);
    await world.issue(left);
    const { sequence } = await world.close(root);
    const ids = [root, left, right, grandchild].map((step) => `${step.stepId}\n`).sort();
    expect(await closeEvent(world, sequence)).toEqual({
      type: "step.closed",
      v: 1,
      at: world.clock.now(),
      stepId: root.stepId,
      state: "COMPLETED",
      reason: "cessationOfOperation",
      count: 4,
      digest: hash("sha256", ids.join("")),
      revoked: 1,
      by: { kind: "broker", cause: "expiry" },
    });
  });

  test("closing a closed step answers with what was recorded, its ancestor's close included", async () => {
    const world = worldOf();
    const { root, grandchild } = await family(world);
    await world.issue(grandchild);
    const first = await world.close(root, { state: "FAILED" });
    const head = world.ledger.head();
    world.clock.advance(1_000);
    const recorded = { ...first, alreadyClosed: true };
    for (const step of [root, grandchild]) expect(await world.close(step)).toEqual(recorded);
    expect(world.ledger.head()).toEqual(head);
    expect((await world.step(root.stepId)).state).toBe("FAILED");
  });

  test("what was closed earlier is not closed again by its ancestor", async () => {
    const world = worldOf();
    const { root, left, grandchild } = await family(world);
    const own = await world.close(left, { state: "FAILED" });
    expect(await world.close(root)).toMatchObject({ stepsClosed: 2 });
    expect((await world.step(grandchild.stepId)).closedSequence).toBe(own.sequence);
    expect((await world.step(left.stepId)).state).toBe("FAILED");
  });

  test("several steps are closed at once; of a step and its descendant one event tells", async () => {
    const world = worldOf();
    const { root, grandchild, beside } = await family(world);
    const before = world.ledger.head().sequence;
    const target = { kind: "steps", stepIds: [grandchild.stepId, root.stepId, beside.stepId] } as const;
    const result = await world.close(target);
    expect(result).toMatchObject({ stepsClosed: 5, sequence: before + 2 });
    // Those that descend from no other, oldest first.
    const events = await world.store.history.events({ after: before, oldestFirst: true, limit: 10 });
    const closed = events.map(({ canonical }) => JSON.parse(Buffer.from(canonical).toString()).stepId);
    expect(closed).toEqual([root.stepId, beside.stepId]);
    const again = await world.close(target);
    expect(again).toMatchObject({ alreadyClosed: true, stepsClosed: 5, sequence: before + 2 });
  });

  test("of several steps those that are open are closed, though others were before; then each close is told", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const [early, late] = [await world.open(agent), await world.open(agent)];
    const first = await world.close(early);
    const target = { kind: "steps", stepIds: [late.stepId, early.stepId] } as const;
    const second = await world.close(target);
    expect(second).toMatchObject({ alreadyClosed: false, stepsClosed: 1 });
    expect(await world.close(target)).toMatchObject({
      alreadyClosed: true,
      firstSequence: first.sequence,
      sequence: second.sequence,
      stepsClosed: 2,
    });
    expect(await world.close({ kind: "steps", stepIds: [] })).toMatchObject({ alreadyClosed: false, stepsClosed: 0 });
  });

  test("a named step is closed by itself where its ancestor, named too, is not due", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const root = await world.open(agent);
    const child = await world.openChild(agent, root, { leaseSeconds: 10 });
    const target = { kind: "steps", stepIds: [root.stepId, child.stepId] } as const;
    const onlyIf = { leaseExpiredAt: present(child.leaseExpiresAt) };
    expect(await world.close(target, { state: "ABANDONED", onlyIf })).toMatchObject({ stepsClosed: 1 });
    expect((await world.step(child.stepId)).state).toBe("ABANDONED");
    expect((await world.step(root.stepId)).state).toBe("OPEN");
  });

  test("a step that nobody knows is refused, and nothing else of the order is done", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    const target = { kind: "steps", stepIds: [step.stepId, "step_none"] } as const;
    expect(await world.ledger.perform(world.closeAct(target))).toMatchObject({ code: "STEP_NOT_FOUND" });
    expect((await world.step(step.stepId)).state).toBe("OPEN");
  });

  test("a close on expiry or lease does nothing before that instant", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent(), { leaseSeconds: 10 });
    const nothing = { kind: "closed", firstSequence: 0, sequence: 0, stepsClosed: 0, credentialsRevoked: 0 };
    const lease = present(step.leaseExpiresAt);
    const early = [
      { expiredAt: addMicros(microsOf(step.expiresAt), -1) },
      { leaseExpiredAt: addMicros(lease, -1) },
    ] as const;
    for (const onlyIf of early) {
      expect(await world.close(step, { state: "EXPIRED", onlyIf })).toMatchObject({ ...nothing, alreadyClosed: false });
    }
    expect((await world.step(step.stepId)).state).toBe("OPEN");
    const onlyIf = { leaseExpiredAt: lease };
    expect(await world.close(step, { state: "ABANDONED", onlyIf })).toMatchObject({ stepsClosed: 1 });

    const without = await world.open(await world.agent());
    expect(await world.close(without, { onlyIf: { leaseExpiredAt: lease } })).toMatchObject(nothing);
    const due = { expiredAt: microsOf(without.expiresAt) };
    expect(await world.close(without, { state: "EXPIRED", onlyIf: due })).toMatchObject({ stepsClosed: 1 });
  });

  test("a lease that was renewed in between keeps the step open", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent(), { leaseSeconds: 10 });
    world.clock.advance(10_000);
    const now = world.clock.now();
    const [, closing] = await Promise.all([
      world.ledger.perform({ act: "renew-step", stepId: step.stepId, now }),
      world.close(step, { state: "ABANDONED", onlyIf: { leaseExpiredAt: now } }),
    ]);
    expect(closing).toMatchObject({ sequence: 0, stepsClosed: 0 });
    expect((await world.step(step.stepId)).state).toBe("OPEN");
  });

  test("a run that was closed stays barred, with its children in other runs closed too", async () => {
    const world = worldOf();
    const { agent, root, beside } = await family(world);
    const { runId } = root;
    const far = await world.openChild(agent, root, { runId: world.name() });
    const result = await world.close({ kind: "run", runId }, { state: "REVOKED" });
    expect(result).toMatchObject({ stepsClosed: 6, alreadyClosed: false });
    expect(await world.step(far.stepId)).toMatchObject({ state: "REVOKED", closeReason: "privilegeWithdrawn" });
    expect(await world.step(beside.stepId)).toMatchObject({ state: "REVOKED" });
    expect(await world.ledger.perform(world.openAct(agent, { runId }))).toMatchObject({ code: "NOT_ENTITLED" });
    // The other run only lost a step.
    expect(await world.ledger.perform(world.openAct(agent, { runId: far.runId }))).toMatchObject({ kind: "opened" });
  });

  test("a run can be barred before its first step, and is barred once", async () => {
    const world = worldOf();
    const runId = world.name();
    const barred = await world.close({ kind: "run", runId }, { state: "REVOKED" });
    expect(barred).toMatchObject({ stepsClosed: 0, sequence: world.ledger.head().sequence });
    expect(await world.close({ kind: "run", runId }, { state: "REVOKED" })).toMatchObject({ sequence: 0 });
    const opening = world.openAct(await world.agent(), { runId });
    expect(await world.ledger.perform(opening)).toMatchObject({ code: "NOT_ENTITLED" });
  });

  test("an order by entry, process or principal closes all it names, and says who gave it", async () => {
    const world = worldOf();
    const [agent, runtime] = [await world.agent(), await world.runtime()];
    const alice = { principalId: "a1".repeat(32), sealed: "key.sealed" };
    const any = { kind: "any" } as const;
    const own: Parameters<World["open"]>[1][] = [
      { openerEntryId: runtime.entryId, executor: any },
      { opener: processOf(61), executor: any },
      { executor: { kind: "process", process: processOf(61) } },
      { principal: alice, executor: any },
    ];
    const targets = [
      {
        target: { kind: "process", process: processOf(61) },
        names: "process boot/4026531836/61/12345",
        closes: [1, 2],
      },
      {
        target: { kind: "principal", principalId: alice.principalId },
        names: `principal ${alice.principalId}`,
        closes: [3],
      },
      { target: { kind: "entry", entryId: runtime.entryId }, names: `entry ${runtime.entryId}`, closes: [0] },
      { target: { kind: "entry", entryId: agent.entryId }, names: `entry ${agent.entryId}`, closes: [0, 1, 2, 3] },
    ] as const;
    for (const { target, names, closes } of targets) {
      const steps: Step[] = [];
      for (const one of own) steps.push(await world.open(agent, one));
      const { firstSequence, sequence } = await world.close(target, { state: "REVOKED", by: OPERATOR });
      const closed = await world.store.history.takenBack(firstSequence, sequence, world.clock.now());
      expect(closed.steps.map((step) => step.stepId)).toEqual(closes.map((index) => steps[index]?.stepId));
      const [event] = await world.store.history.events({ type: "operator.acted", limit: 1 });
      expect(JSON.parse(Buffer.from(present(event).canonical).toString())).toMatchObject({
        act: "close",
        target: names,
        by: OPERATOR,
      });
      await world.close({ kind: "entry", entryId: agent.entryId });
    }
  });

  test("a preview tells what the close then does, and does none of it", async () => {
    const world = worldOf();
    const { root, left, right, grandchild } = await family(world);
    const record = await world.issue(grandchild);
    await world.issue(root);
    const head = world.ledger.head();
    const target = { kind: "steps", stepIds: [root.stepId] } as const;
    const preview = await world.store.history.preview(target, world.clock.now());
    expect(preview).toMatchObject({ stepsCount: 4, issuancesCount: 2 });
    expect(preview.steps).toEqual([root, left, right, grandchild]);
    expect(preview.issuances.map((row) => row.issuanceId)).toContain(record.issuanceId);
    expect(world.ledger.head()).toEqual(head);
    const { firstSequence, sequence, stepsClosed, credentialsRevoked } = await world.close(root);
    expect([stepsClosed, credentialsRevoked]).toEqual([preview.stepsCount, preview.issuancesCount]);
    const { stepsCount, issuancesCount, steps, issuances } = await world.store.history.takenBack(
      firstSequence,
      sequence,
      world.clock.now(),
    );
    expect([stepsCount, issuancesCount]).toEqual([preview.stepsCount, preview.issuancesCount]);
    expect(steps.map((step) => step.stepId)).toEqual(preview.steps.map((step) => step.stepId));
    expect(steps[0]).toMatchObject({ state: "COMPLETED", closedSequence: sequence });
    expect(issuances.map((row) => row.issuanceId)).toEqual(preview.issuances.map((row) => row.issuanceId));
    expect(issuances[0]).toMatchObject({ revokedSequence: sequence });
    expect(await world.store.history.preview(target, world.clock.now())).toMatchObject({ stepsCount: 0, steps: [] });
  });

  test.for([LIMITS.listedMax, LIMITS.listedMax + 2])(
    "of %i steps that are closed at once a bounded list is told, and the whole count",
    async (count) => {
      const world = worldOf();
      const agent = await world.agent();
      const acts = Array.from({ length: count }, () =>
        world.openAct(agent, { executor: { kind: "any" } }, { openStepsMax: 2_000 }),
      );
      const stepIds = acts.map(({ step }) => step.stepId);
      await Promise.all(acts.map((act) => world.ledger.perform(act)));
      const target = { kind: "entry", entryId: agent.entryId } as const;
      const preview = await world.store.history.preview(target, world.clock.now());
      const { firstSequence, sequence, stepsClosed } = await world.close(target);
      expect(stepsClosed).toBe(count);
      const closed = await world.store.history.takenBack(firstSequence, sequence, world.clock.now());
      for (const { steps, stepsCount } of [preview, closed]) {
        expect(stepsCount).toBe(count);
        expect(steps.map((step) => step.stepId)).toEqual(stepIds.slice(0, LIMITS.listedMax));
      }
    },
  );
}
