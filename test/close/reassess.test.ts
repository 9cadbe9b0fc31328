import { describe, expect, onTestFinished, test } from "vitest";
import { createCedarEngine } from "../../src/adapters/policy-cedar/cedar-engine.ts";
import { systemKeyPairs } from "../../src/adapters/system/system-key-pairs.ts";
import { BrokerError, isDenial } from "../../src/domain/errors.ts";
import type { StreamedSvid } from "../../src/stream/svid-stream.ts";
import { done, present } from "../contract/ledger-world.ts";
import { createRuleEngine } from "../memory/rule-engine.ts";
import { READ, segment, WRITE } from "../open/path-scene.ts";
import { OPERATOR } from "../simulation/broker.ts";
import { CALM, gatedEngine, reassessScene } from "./reassess-scene.ts";

test("a rise of risk closes what policy no longer permits, with the decision that says why, and lets the rest go on", async () => {
  const scene = await reassessScene();
  await scene.activate(CALM);
  const reads = await scene.openNew(scene.runtime);
  const writes = await scene.openNew(scene.runtime, { grant: [WRITE] });
  const risen = await scene.setRisk("domain", "elevated");
  expect(await scene.outcome("domain", risen)).toEqual({ stepsJudged: 2, stepsClosed: 1, isSettled: true });

  expect(await scene.stateOf(reads.stepId)).toBe("OPEN");
  const closed = present(await scene.store.steps.step(writes.stepId));
  expect(closed).toMatchObject({ state: "REVOKED", closeReason: "privilegeWithdrawn" });
  const [decision] = await scene.store.history.decisions({ decisionId: present(closed.closeDecisionId), limit: 1 });
  expect(decision).toMatchObject({
    act: "judge",
    effect: "deny",
    reason: "POLICY_DENIED",
    stepId: writes.stepId,
    refused: [WRITE],
    determiningPolicies: ["elevated-writes"],
    situation: { risk: { domain: "elevated", agent: "low", run: "low" } },
  });
});

test("nothing is issued between a rise and the judging, though policy would permit it, and again after", async () => {
  const gate = gatedEngine();
  const scene = await reassessScene(gate.engine);
  await scene.activate(CALM);
  const step = await scene.openNew(scene.researcher);
  const open = gate.shut();
  const risen = await scene.setRisk("agent:researcher", "elevated");
  const [between] = await scene.issue(scene.researcher, step.stepId);
  expect(between).toMatchObject({ kind: "denial", code: "DECISION_OUTDATED" });
  open();
  expect(await scene.outcome("agent:researcher", risen)).toMatchObject({ stepsJudged: 1, isSettled: true });
  const [after] = await scene.issue(scene.researcher, step.stepId);
  expect(isDenial(present(after))).toBe(false);
});

test("a stream of SVIDs waits for the judging: it neither ends nor loses what it has delivered", async () => {
  const gate = gatedEngine();
  const scene = await reassessScene(gate.engine);
  await scene.activate(CALM);
  await scene.openNew(scene.researcher, { executor: { kind: "self" } });
  const open = gate.shut();
  const risen = await scene.setRisk("domain", "elevated");
  const delivered: number[] = [];
  const ended: unknown[] = [];
  const refused = Promise.withResolvers<void>();
  scene.onAct(({ act }) => {
    if (act === "record-issuances") refused.resolve();
  });
  const sink = {
    deliver: (svids: readonly StreamedSvid[]) => void delivered.push(svids.length),
    end: (why: unknown) => void ended.push(why),
  };
  const stream = scene.broker.stream(scene.researcher, "x509-svid", sink, { keyPairs: systemKeyPairs() });
  onTestFinished(() => stream.stop());
  await refused.promise;
  open();
  expect(await scene.outcome("domain", risen)).toMatchObject({ stepsJudged: 1, isSettled: true });
  expect([delivered, ended]).toEqual([[], []]);
  await expect
    .poll(() => {
      scene.clock.advance(250);
      return delivered;
    })
    .toEqual([1]);
  expect(ended).toEqual([]);
});

test("a fall of risk holds up nothing", async () => {
  const gate = gatedEngine();
  const scene = await reassessScene(gate.engine);
  await scene.activate(CALM);
  await scene.setRisk("domain", "elevated");
  const step = await scene.openNew(scene.researcher);
  gate.shut();
  await scene.setRisk("domain", "low");
  const [issued] = await scene.issue(scene.researcher, step.stepId);
  expect(isDenial(present(issued))).toBe(false);
});

test("where no set of policies is in force a rise holds up nothing, and is judged once one is", async () => {
  const scene = await reassessScene();
  const step = await scene.openNew(scene.researcher);
  const risen = await scene.setRisk("domain", "high");
  expect(await scene.outcome("domain", risen)).toEqual({ stepsJudged: 0, stepsClosed: 0, isSettled: true });
  expect(isDenial(present((await scene.issue(scene.researcher, step.stepId))[0]))).toBe(false);
  const activated = await scene.activate(CALM);
  expect(await scene.outcome("policies", activated)).toMatchObject({ stepsClosed: 1, isSettled: true });
  expect(await scene.stateOf(step.stepId)).toBe("REVOKED");
});

describe("a step that was opened while no policies were in force", () => {
  const text = `permit (principal, action, resource)
    when { context.selectors.contains("unix:uid:11") && context has runtime && context.runtime == Runtime::"flow" };`;

  async function siteScene() {
    const scene = await reassessScene(createCedarEngine());
    return {
      ...scene,
      async activate(policies: string): Promise<number> {
        const set = { policies: [{ policyId: "site", file: "site.cedar", line: 1, text: policies }], dataClasses };
        const order = { act: "put-policy-set", set, origin: "api", by: OPERATOR } as const;
        const now = scene.clock.now();
        const act = { ...order, activates: { reason: "first" }, now } as const;
        return done(await scene.store.ledger.perform(act)).sequence;
      },
    };
  }
  const dataClasses = { ratchet: "run", classes: {} } as const;

  test("is judged on who opened it, as that was attested then", async () => {
    const scene = await siteScene();
    const mine = await scene.openNew(scene.runtime);
    const another = await scene.openNew(scene.researcher, { runId: segment("another") });
    const activated = await scene.activate(text);
    expect(await scene.outcome("policies", activated)).toMatchObject({ stepsClosed: 1, isSettled: true });
    expect([await scene.stateOf(mine.stepId), await scene.stateOf(another.stepId)]).toEqual(["OPEN", "REVOKED"]);
  });

  test.for([
    {
      looks: "looks at selectors",
      policies: text.replace(' && context has runtime && context.runtime == Runtime::"flow"', ""),
    },
    { looks: "asks for a runtime", policies: "permit (principal, action, resource) unless { context has runtime };" },
  ])("and by an older version, which did not record it, ends where a policy $looks", async ({ policies }) => {
    const scene = await siteScene();
    scene.onAct((act) => {
      if (act.act === "open-step") Reflect.deleteProperty(act.decision, "opening");
    });
    const step = await scene.openNew(scene.runtime);
    const calm = await scene.activate("permit (principal, action, resource);");
    expect(await scene.outcome("policies", calm)).toMatchObject({ stepsClosed: 0, isSettled: true });
    const activated = await scene.activate(policies);
    expect(await scene.outcome("policies", activated)).toMatchObject({ stepsClosed: 1, isSettled: true });
    const [decision] = await scene.store.history.decisions({ effect: "deny", limit: 1 });
    expect(decision).toMatchObject({
      act: "judge",
      stepId: step.stepId,
      policyErrors: ["site"],
      situation: { openerUnknown: true },
    });
  });
});

test("a risk concerns the steps of its agent, or of its run and what was delegated from it, and no others", async () => {
  const scene = await reassessScene();
  await scene.activate(CALM);
  const own = await scene.openNew(scene.runtime, { runId: segment("other") });
  const parent = await scene.openNew(scene.runtime, { runId: segment("parent") });
  const child = await scene.openNew(scene.runtime, { runId: segment("child"), parentStepId: parent.stepId });
  expect(child.factScopes).toEqual(["run:child", "run:parent"]);
  const risen = await scene.setRisk("run:parent", "elevated");
  expect(await scene.outcome("run:parent", risen)).toMatchObject({ stepsJudged: 2 });
  const [ofChild, ofOwn] = await Promise.all([child, own].map(({ stepId }) => scene.store.steps.step(stepId)));
  expect(ofChild?.judgedSequence).toBeGreaterThanOrEqual(risen);
  expect(ofOwn?.judgedSequence).toBeUndefined();
});

test("the risk of a run closes what it has delegated to other runs, also where the parent may go on", async () => {
  const scene = await reassessScene();
  await scene.activate({ ...CALM, child: { effect: "forbid", agent: "writer", from: "elevated" } });
  const parent = await scene.openNew(scene.runtime, { runId: segment("parent") });
  const agent = segment("writer");
  const child = await scene.openNew(scene.runtime, { runId: segment("child"), agent, parentStepId: parent.stepId });
  const risen = await scene.setRisk("run:parent", "elevated");
  expect(await scene.outcome("run:parent", risen)).toMatchObject({ stepsJudged: 2, stepsClosed: 1 });
  expect(await scene.stateOf(child.stepId)).toBe("REVOKED");
  expect(await scene.stateOf(parent.stepId)).toBe("OPEN");
});

test("a lapse is a change of risk like any other", async () => {
  const scene = await reassessScene();
  // Something that is permitted in an emergency alone.
  await scene.activate({ repair: { effect: "permit", from: "elevated" } });
  await scene.setRisk("domain", "elevated", 60);
  const step = await scene.openNew(scene.runtime);
  scene.clock.advance(60_000);
  await scene.outcome("domain", scene.store.ledger.head().sequence);
  expect(await scene.stateOf(step.stepId)).toBe("REVOKED");
});

test("an older set that is put in force again has every step judged", async () => {
  const scene = await reassessScene();
  await scene.activate({ nothing: { effect: "permit", agent: "writer" } });
  await scene.activate(CALM);
  const step = await scene.openNew(scene.runtime);
  const activated = await scene.activate({ nothing: { effect: "permit", agent: "writer" } });
  expect(await scene.outcome("policies", activated)).toMatchObject({ stepsJudged: 1, stepsClosed: 1 });
  expect(await scene.stateOf(step.stepId)).toBe("REVOKED");
});

test("a change of an entry has its steps judged, and no others", async () => {
  const scene = await reassessScene();
  await scene.activate(CALM);
  const [of, other] = [
    await scene.openNew(scene.runtime),
    await scene.openNew(scene.runtime, { agent: segment("writer") }),
  ];
  const { content } = scene.entries.researcher;
  const { entry } = await scene.broker.registry.update("agent/researcher", content, 0, OPERATOR);
  const { sequence } = scene.store.ledger.head();
  await scene.outcome(`entry:${entry.entryId}`, sequence);
  expect((await scene.store.steps.step(of.stepId))?.judgedSequence).toBeDefined();
  expect((await scene.store.steps.step(other.stepId))?.judgedSequence).toBeUndefined();
});

test("what changes while it is judged is judged once more, on what is in force then", async () => {
  const gate = gatedEngine();
  const scene = await reassessScene(gate.engine);
  await scene.activate(CALM);
  const step = await scene.openNew(scene.runtime);
  const open = gate.shut();
  await scene.setRisk("domain", "elevated");
  await expect.poll(gate.asked).toBe(2);
  const risen = await scene.setRisk("domain", "high");
  open();
  expect(await scene.outcome("domain", risen)).toMatchObject({ isSettled: true });
  expect(await scene.stateOf(step.stepId)).toBe("REVOKED");
});

test("steps around which the risk rose come first, though other changes are newer", async () => {
  const gate = gatedEngine();
  const scene = await reassessScene(gate.engine);
  await scene.activate(CALM);
  const calm = await scene.openNew(scene.runtime);
  const risky = await scene.openNew(scene.runtime, { agent: segment("writer") });
  const judged: string[] = [];
  scene.onAct((act) => {
    if (act.act === "judge-steps") judged.push(...act.judged.map(({ stepId }) => stepId));
  });
  await Promise.all([
    scene.setRisk("agent:writer", "elevated"),
    scene.activate({ ...CALM, more: { effect: "permit" } }),
  ]);
  await scene.outcome("policies", scene.store.ledger.head().sequence);
  expect(judged).toEqual([risky.stepId, calm.stepId]);
});

test("while the engine has no answer for some steps they wait, and hold up none of the others, however many they are", async () => {
  const inner = createRuleEngine();
  let isSilent = true;
  const evaluate: typeof inner.evaluate = async (root, request) => {
    if (request.act !== "judge" || !isSilent || request.elements.some(({ actions }) => actions.includes("write"))) {
      return inner.evaluate(root, request);
    }
    throw new BrokerError("NOT_SERVING", "the external policy engine does not answer");
  };
  const scene = await reassessScene({ ...inner, evaluate });
  await scene.activate(CALM);
  // More than are recorded together, whichever come first.
  const before = await scene.openNew(scene.runtime, { grant: [WRITE] });
  const unanswered: string[] = [];
  for (let count = 0; count < 201; count += 1) unanswered.push((await scene.openNew(scene.runtime)).stepId);
  const after = await scene.openNew(scene.runtime, { grant: [WRITE] });
  await scene.setRisk("domain", "elevated");
  await expect
    .poll(() => scene.broker.reassessment.behind(), { timeout: 30_000 })
    .toBe("open steps wait to be judged anew: the external policy engine does not answer");
  for (const { stepId } of [before, after]) expect(await scene.stateOf(stepId)).toBe("REVOKED");
  for (const stepId of unanswered.slice(0, 3)) expect(await scene.stateOf(stepId)).toBe("OPEN");
  expect(scene.failures.splice(0)).toHaveLength(1);
  isSilent = false;
  scene.clock.advance(1_000);
  await expect.poll(() => scene.broker.reassessment.behind(), { timeout: 30_000 }).toBeUndefined();
  expect(await scene.stateOf(unanswered[0] ?? "")).toBe("OPEN");
}, 120_000);

test("while the ledger can't be written nothing is judged to the end, and the broker says so, and goes on after", async () => {
  const scene = await reassessScene();
  await scene.activate(CALM);
  const step = await scene.openNew(scene.runtime, { grant: [READ, WRITE] });
  let isThere = false;
  const tried = Promise.withResolvers<void>();
  scene.onAct((act) => {
    if (act.act !== "judge-steps" || isThere) return;
    tried.resolve();
    throw new Error("the disk is full");
  });
  const risen = await scene.setRisk("domain", "high");
  await tried.promise;
  await expect
    .poll(() => scene.broker.reassessment.behind())
    .toBe("open steps wait to be judged anew: they can't be judged");
  expect(await scene.stateOf(step.stepId)).toBe("OPEN");
  expect(scene.failures.splice(0)).toEqual([new Error("the disk is full")]);
  isThere = true;
  scene.clock.advance(1_000);
  await scene.outcome("domain", risen);
  expect(await scene.stateOf(step.stepId)).toBe("REVOKED");
  expect(scene.broker.reassessment.behind()).toBeUndefined();
});
