import { describe, expect, test } from "vitest";
import { createCedarEngine } from "../../src/adapters/policy-cedar/cedar-engine.ts";
import { readPolicies } from "../../src/adapters/policy-cedar/read-policies.ts";
import type { DataClasses } from "../../src/domain/data-classes.ts";
import type { Grant } from "../../src/domain/grant.ts";
import type { Policy } from "../../src/domain/policy-set.ts";
import type { Step } from "../../src/domain/step.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { openStep } from "../../src/open/open-step.ts";
import type { PolicyEngine } from "../../src/ports/policy-engine.ts";
import { present } from "../contract/ledger-world.ts";
import { OPERATOR } from "../simulation/broker.ts";
import { pathScene, READ, SEARCH, segment, WRITE } from "./path-scene.ts";

const DATA_CLASSES: DataClasses = {
  ratchet: "run",
  classes: {
    internal: { sensitivity: "ordinary", securityDomain: [] },
    customer: { sensitivity: "restricted", securityDomain: [SEARCH] },
  },
};
const CUSTOMER: Grant = [{ ...READ, datatypes: ["customer"] }];

/** The paths with the baseline in force. */
async function judgedScene(engine: PolicyEngine = createCedarEngine(), own: readonly Policy[] = []) {
  const scene = await pathScene({}, engine);
  const { store, clock, broker } = scene;
  const { policies: baseline } = await readPolicies({ baseline: true });
  const policies = [...baseline, ...own];
  const putSet = (dataClasses: DataClasses, reason: string) =>
    store.ledger.perform({
      act: "put-policy-set",
      set: { policies, dataClasses },
      origin: "api",
      activates: { reason },
      by: OPERATOR,
      now: clock.now(),
    });
  await putSet(DATA_CLASSES, "first");
  const agent = await scene.enter({
    kind: "agent",
    name: "clerk",
    selectors: ["unix:uid:33"],
    ceiling: [
      { ...READ, identifier: "*", locations: ["*"], actions: ["read", "write"], datatypes: ["internal", "customer"] },
    ],
    mayOpen: true,
    allowAnyExecutor: true,
  });
  const clerk = scene.kernel.start(33);
  const open = (step: string, grant: Grant, runId = "run") =>
    scene.open(clerk, { agent: segment("clerk"), runId: segment(runId), step: segment(step), grant });
  const openBelow = (parent: Step, runId: string, grant: Grant, step = "child") =>
    scene.open(clerk, {
      ...{ agent: segment("clerk"), runId: segment(runId), step: segment(step) },
      parentStepId: parent.stepId,
      grant,
    });
  const decisions = () => store.history.decisions({ limit: 100 });
  const setRisk = (level: "low" | "elevated" | "high") =>
    store.ledger.perform({
      act: "set-risk",
      scope: "domain",
      level,
      expiresAt: addSeconds(secondsOf(clock.now()), 60),
      reason: "a detector said so",
      by: OPERATOR,
      now: clock.now(),
    });
  const stateOf = async ({ stepId }: Step) => (await store.steps.step(stepId))?.state;
  return { ...scene, ...broker, clerk, agent, open, openBelow, stateOf, decisions, setRisk, putSet };
}

describe("the baseline decides within the ceiling", () => {
  test("what is ordinary may be read and written; the decision says on what it was made", async () => {
    const { open, decisions } = await judgedScene();
    await open("one", [READ]);
    await open("two", [WRITE]);
    const [second] = await decisions();
    expect(second).toMatchObject({
      effect: "allow",
      situation: {
        policyVersion: 1,
        facts: { classes: ["internal"], actions: ["read"], stepsOpen: 1, steps: 1 },
        risk: { domain: "low", agent: "low", run: "low" },
        depth: 0,
        selectors: ["unix:uid:33"],
      },
    });
    expect(second?.determiningPolicies).toContain("baseline.ceiling");
  });

  test("nothing but reading while risk is elevated, nothing at all while it is high, all again once it lapsed", async () => {
    const { open, setRisk, clock } = await judgedScene();
    await setRisk("elevated");
    await open("one", [READ]);
    await expect(open("two", [WRITE])).rejects.toMatchObject({ code: "POLICY_DENIED" });
    await setRisk("high");
    await expect(open("three", [READ])).rejects.toMatchObject({ code: "POLICY_DENIED" });
    clock.advance(61_000);
    await open("four", [WRITE]);
  });
});

describe("ratchet: a run that was granted restricted data", () => {
  test("writes nowhere outside of the data's security domain any more, and another run does", async () => {
    const { open } = await judgedScene();
    await open("one", CUSTOMER);
    await expect(open("two", [WRITE])).rejects.toMatchObject({ code: "POLICY_DENIED" });
    await open("three", [{ ...WRITE, locations: [SEARCH] }]);
    await open("one", [WRITE], "another");
  });

  test("asks for both at once in vain", async () => {
    const { open } = await judgedScene();
    await expect(open("one", [...CUSTOMER, WRITE])).rejects.toMatchObject({ code: "POLICY_DENIED" });
  });

  test("ends its open steps that write elsewhere, in the act that grants, with the decision that says why", async () => {
    const { open, store, decisions } = await judgedScene();
    const writing = await open("one", [WRITE]);
    const inside = await open("two", [{ ...WRITE, locations: [SEARCH] }]);
    const elsewhere = await open("one", [WRITE], "another");
    const reading = await open("three", CUSTOMER);
    expect(await store.steps.step(writing.stepId)).toMatchObject({
      state: "REVOKED",
      closeReason: "privilegeWithdrawn",
      closeDecisionId: reading.decisionId,
    });
    const [decision] = await decisions();
    expect(decision).toMatchObject({ decisionId: reading.decisionId, closes: [writing.stepId] });
    for (const { stepId } of [inside, elsewhere, reading]) {
      expect(await store.steps.step(stepId)).toMatchObject({ state: "OPEN" });
    }
  });

  test("can't be delegated to from a step that writes elsewhere: a child must not end what it hangs on", async () => {
    const { open, openBelow, store } = await judgedScene();
    const parent = await open("one", [{ ...WRITE, actions: ["read", "write"] }]);
    await open("unrelated", CUSTOMER, "below");
    const read: Grant = [{ ...WRITE, actions: ["read"] }];
    // What the run below has seen would be known of the parent's run too.
    await expect(openBelow(parent, "below", read)).rejects.toMatchObject({ code: "POLICY_DENIED" });
    expect(await store.steps.step(parent.stepId)).toMatchObject({ state: "OPEN" });
    await openBelow(parent, "clean", read);
  });

  test("binds the run that it was delegated from, since results flow back", async () => {
    const { open, openBelow } = await judgedScene();
    const parent = await open("one", [{ ...READ, datatypes: ["internal", "customer"], actions: ["read"] }]);
    await openBelow(parent, "below", CUSTOMER);
    await expect(open("two", [WRITE])).rejects.toMatchObject({ code: "POLICY_DENIED" });
    await expect(open("two", [WRITE], "below")).rejects.toMatchObject({ code: "POLICY_DENIED" });
  });
});

describe("ratchet: a run with an open step that was delegated from another run", () => {
  /** A step of the run `below`, delegated from one of the run `run`. */
  async function connectedScene() {
    const scene = await judgedScene();
    const child = await scene.openBelow(await scene.open("parent", [READ]), "below", [READ]);
    return {
      ...scene,
      endChild: () => scene.close(scene.clerk, { stepId: child.stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 }),
    };
  }

  test("writes nowhere once the other is granted restricted data, in no step of its own either, and when the delegated step is over", async () => {
    const { open, endChild, decisions } = await connectedScene();
    await open("read", CUSTOMER);
    await expect(open("write", [WRITE], "below")).rejects.toMatchObject({ code: "POLICY_DENIED" });
    const [denied] = await decisions();
    // What is known of both runs, and how many steps there are in its own.
    expect(denied?.situation?.facts).toMatchObject({ classes: ["customer", "internal"], stepsOpen: 1 });
    await endChild();
    await expect(open("write", [WRITE], "below")).rejects.toMatchObject({ code: "POLICY_DENIED" });
  });

  test("binds the other by what it is granted in a step of its own", async () => {
    const { open } = await connectedScene();
    await open("read", CUSTOMER, "below");
    await expect(open("write", [WRITE])).rejects.toMatchObject({ code: "POLICY_DENIED" });
  });

  test.for(["run", "below"])("its open steps that write elsewhere end in the act that grants in %s", async (runId) => {
    const { open, stateOf } = await connectedScene();
    const writing = [await open("write", [WRITE]), await open("write", [WRITE], "below")];
    const elsewhere = await open("write", [WRITE], "another");
    await open("read", CUSTOMER, runId);
    expect(await Promise.all(writing.map(stateOf))).toEqual(["REVOKED", "REVOKED"]);
    expect(await stateOf(elsewhere)).toBe("OPEN");
  });

  test("its open steps end in the act that connects it with a run that was granted restricted data", async () => {
    const { open, openBelow, stateOf } = await judgedScene();
    const writing = await open("write", [WRITE], "below");
    const parent = await open("parent", [{ ...READ, datatypes: ["internal", "customer"] }]);
    await openBelow(parent, "below", [READ]);
    expect(await stateOf(writing)).toBe("REVOKED");
  });

  test("is not bound by what the other is granted when the delegated step is over", async () => {
    const { open, endChild } = await connectedScene();
    await endChild();
    await open("read", CUSTOMER);
    await open("write", [WRITE], "below");
  });

  test("both at once, a grant in one run and a step that writes in the other: no such step is left", async () => {
    const { open, stateOf } = await connectedScene();
    const [, written] = await Promise.allSettled([open("read", CUSTOMER), open("write", [WRITE], "below")]);
    if (written.status === "fulfilled") expect(await stateOf(written.value)).toBe("REVOKED");
    else expect(written.reason).toMatchObject({ code: "POLICY_DENIED" });
  });

  test("can be connected with 64 runs at once, and with one more when one of these steps is over", async () => {
    const { open, openBelow, close, clerk } = await judgedScene();
    const grant = [READ];
    const parents = await Promise.all(Array.from({ length: 65 }, (_, index) => open("parent", grant, `run-${index}`)));
    const children: Step[] = [];
    for (const [index, parent] of parents.slice(0, 64).entries()) {
      children.push(await openBelow(parent, "below", grant, `child-${index}`));
    }
    const last = () => openBelow(present(parents.at(-1)), "below", grant, "last");
    await expect(last()).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
      message: "the run would be connected with more than 64 others by open steps that were delegated from there",
    });
    await close(clerk, { stepId: present(children[0]).stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 });
    await last();
  });
});

describe("a run of another entry", () => {
  test("tells nothing of what it was granted: the refusal is the same before and after, and no policy is asked", async () => {
    const engine = createCedarEngine();
    const asked: string[] = [];
    const evaluate: PolicyEngine["evaluate"] = (root, request) => {
      asked.push(request.act);
      return engine.evaluate(root, request);
    };
    const scene = await judgedScene({ ...engine, evaluate });
    await scene.enter({
      ...{ kind: "agent", name: "stranger", selectors: ["unix:uid:34"], mayOpen: true, allowAnyExecutor: true },
      ceiling: [READ, WRITE],
    });
    const stranger = scene.kernel.start(34);
    const request = scene.requestOf({ agent: segment("stranger"), step: segment("mine"), grant: [WRITE] });
    const intrude = () => scene.broker.open(stranger, request);
    const refusal = { code: "NOT_ENTITLED", message: "the run belongs to another" };
    await scene.open("one", [READ]);
    asked.splice(0);
    await expect(intrude()).rejects.toMatchObject(refusal);
    await scene.open("two", CUSTOMER);
    asked.splice(0);
    await expect(intrude()).rejects.toMatchObject(refusal);
    expect(asked).toEqual([]);
    const [refused] = await scene.decisions();
    expect(refused).toMatchObject({ effect: "deny", reason: "NOT_ENTITLED", runId: "run", step: "mine" });
  });
});

describe("what was decided on has changed by the time of the record", () => {
  test("it is decided again: a risk that rises in between counts", async () => {
    const { open, onAct, setRisk, decisions } = await judgedScene();
    let isRaised = false;
    onAct((act) => {
      if (act.act !== "open-step" || isRaised) return;
      isRaised = true;
      void setRisk("high");
    });
    await expect(open("one", [READ])).rejects.toMatchObject({ code: "POLICY_DENIED" });
    const made = await decisions();
    expect(made.map(({ effect, situation }) => [effect, situation?.risk.domain])).toEqual([["deny", "high"]]);
  });

  test("the policies themselves: no decision is made by a part of one set and a part of the next", async () => {
    const { onAct, broker, clerk, attested, requestOf, putSet } = await judgedScene();
    const { inForce } = broker.ports.policies;
    const looks = [await inForce()];
    await putSet({ ...DATA_CLASSES, ratchet: "principal" }, "second");
    const policies = { inForce: async () => looks.pop() ?? inForce() };
    let tries = 0;
    onAct(({ act }) => {
      if (act === "open-step") tries += 1;
    });
    const request = requestOf({ agent: segment("clerk"), grant: [READ] });
    await openStep(await attested(clerk), request, { ...broker.ports, policies });
    expect(tries).toBe(2);
  });

  test("again and again: after five times the request is refused, and nothing is opened", async () => {
    const { open, onAct, setRisk, store } = await judgedScene();
    let tries = 0;
    onAct((act) => {
      if (act.act !== "open-step") return;
      tries += 1;
      void setRisk("low");
    });
    await expect(open("one", [READ])).rejects.toMatchObject({ code: "DECISION_OUTDATED" });
    expect(tries).toBe(5);
    expect(await store.projections.openSteps()).toMatchObject({ value: [] });
  });

  test("two grants of one run at once, of which one forbids the other: one of them stands", async () => {
    const { open, store } = await judgedScene();
    const outcomes = await Promise.allSettled([open("one", CUSTOMER), open("two", [WRITE])]);
    const { value } = await store.projections.openSteps();
    expect(value.map(({ step }) => step)).toEqual(["one"]);
    expect(outcomes[0]?.status).toBe("fulfilled");
  });
});

describe("many openings at once, where a policy looks at how many steps are open", () => {
  const counting: Policy = {
    policyId: "site.steps-open",
    file: "site.cedar",
    line: 1,
    text: 'forbid (principal, action == Action::"open_step", resource) when { context.stepsOpen >= 500 };',
  };

  test("of one run: each is answered, none of them that it asked too often", async () => {
    const { open } = await judgedScene(createCedarEngine(), [counting]);
    const steps = await Promise.all(Array.from({ length: 64 }, (_, index) => open(`step-${index}`, [READ])));
    expect(steps).toHaveLength(64);
  });

  test("of as many runs that were delegated from one step: likewise, since each counts in the run of that step", async () => {
    const { open, openBelow } = await judgedScene(createCedarEngine(), [counting]);
    const parent = await open("parent", [READ]);
    const children = Array.from({ length: 32 }, (_, index) => openBelow(parent, `below-${index}`, [READ]));
    expect(await Promise.all(children)).toHaveLength(32);
  });
});
