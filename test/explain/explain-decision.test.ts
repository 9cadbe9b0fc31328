import { describe, expect, test } from "vitest";
import { putTo, requestOf } from "../../src/decide/recorded-request.ts";
import { DeniedError } from "../../src/domain/denial-details.ts";
import type { GrantElement } from "../../src/domain/grant.ts";
import type { ExternalPolicy } from "../../src/ports/external-policy.ts";
import type { PolicyEffect, PolicyRequest } from "../../src/ports/policy-engine.ts";
import { FILES, READ, SEARCH, segment } from "../open/path-scene.ts";
import { OPERATOR } from "../simulation/broker.ts";
import { APPROVAL, DATA_CLASSES, explainScene } from "./explain-scene.ts";

const CUSTOMER: GrantElement = { ...READ, datatypes: ["customer"] };
const WRITE: GrantElement = { ...READ, locations: [FILES], identifier: "write_file", actions: ["write"] };
const EXECUTE: GrantElement = { ...READ, identifier: "run_it", actions: ["execute"] };

describe("why: a denial is shown as it was evaluated", () => {
  test("with what the run was granted, where it is confined to, and the policy's source line", async () => {
    const { open, denied, explain } = await explainScene();
    await open("run", "one", [CUSTOMER]);
    const decisionId = (await denied("run", "two", [READ, WRITE])) ?? "";
    const explained = await explain(decisionId);
    expect(explained.request).toMatchObject({
      act: "open",
      agent: "clerk",
      facts: { classes: ["customer"], actions: ["read"], stepsOpen: 1, steps: 1 },
      confinedTo: [SEARCH],
      depth: 0,
    });
    expect(explained.set?.version).toBe(1);
    expect(explained.elements).toMatchObject([
      { element: READ, effect: { effect: "allow", policies: ["baseline.ceiling"] } },
      { element: WRITE, refusedBy: "policy", effect: { effect: "deny", policies: ["baseline.ratchet"] } },
    ]);
    expect(explained.elements[0]?.refusedBy).toBeUndefined();
    const ratchet = explained.policies.find(({ policyId }) => policyId === "baseline.ratchet");
    expect(ratchet?.source).toMatchObject({ file: "ratchet.cedar", line: expect.any(Number) });
    expect(ratchet?.source?.text).toContain("context.confinedTo.contains(context.server)");
  });

  test("an element above the ceiling, or above the parent's grant, says so, and no policy was asked about it", async () => {
    const { open, denied, explain } = await explainScene();
    const above: GrantElement = { ...READ, locations: ["https://elsewhere.example.org"] };
    const { elements } = await explain((await denied("run", "s", [above, READ])) ?? "");
    expect(elements).toEqual([
      { element: above, refusedBy: "ceiling" },
      { element: READ, effect: expect.objectContaining({ effect: "allow" }) },
    ]);
    const { stepId: parentStepId } = await open("run", "parent", [READ]);
    const below = await explain((await denied("run", "child", [WRITE], { parentStepId })) ?? "");
    expect(below.elements).toEqual([{ element: WRITE, refusedBy: "parent" }]);
    expect(below.changes).toMatchObject([{ without: [], withoutParent: true }]);
  });

  test("an opening that ended other steps names them", async () => {
    const { open, explain } = await explainScene();
    const writing = await open("run", "one", [WRITE]);
    const reading = await open("run", "two", [CUSTOMER]);
    const { closes, decision } = await explain(reading.decisionId);
    expect(decision.effect).toBe("allow");
    expect(closes).toEqual([{ stepId: writing.stepId, runId: "run", step: "one", attempt: 1, agent: "clerk" }]);
  });

  test("a grant that would have ended its own parent says that, and what would not have", async () => {
    const { open, denied, explain } = await explainScene();
    await open("other", "one", [CUSTOMER]);
    const { stepId: parentStepId } = await open("run", "parent", [READ, WRITE]);
    const explained = await explain((await denied("other", "child", [READ], { parentStepId })) ?? "none");
    expect(explained.endsParent).toBe(true);
    expect(explained.changes).toMatchObject([{ without: [], withoutParent: true }]);
    await open("other", "child", [READ]);
  });

  test("a policy that could not be evaluated is named as an error", async () => {
    const text =
      '@id("site.overflow")\nforbid (principal, action == Action::"write", resource) when { context.steps + 9223372036854775807 > 1 };';
    const { open, denied, explain } = await explainScene([
      { policyId: "site.overflow", file: "site.cedar", line: 3, text },
    ]);
    await open("run", "one", [READ]);
    const explained = await explain((await denied("run", "two", [WRITE])) ?? "");
    expect(explained.elements[0]?.effect).toMatchObject({ effect: "deny", errors: ["site.overflow"] });
    expect(explained.policies).toContainEqual({
      policyId: "site.overflow",
      source: { file: "site.cedar", line: 3, text },
    });
  });

  test("by the set that decided it, though another is in force by now", async () => {
    const { denied, explain, putInForce } = await explainScene();
    const decisionId = (await denied("run", "s", [EXECUTE])) ?? "";
    await putInForce([]);
    const { elements, set } = await explain(decisionId);
    expect(set?.version).toBe(1);
    expect(elements[0]?.effect?.policies).toEqual([APPROVAL.policyId]);
  });

  test("in the engine that decides, too: to explain by one set takes no other from it", async () => {
    const { open, denied, explain, putInForce } = await explainScene([APPROVAL], { shared: true });
    const before = (await denied("run", "s", [EXECUTE])) ?? "";
    const forbid = '@id("site.no-execute")\nforbid (principal, action == Action::"execute", resource);';
    await putInForce([{ policyId: "site.no-execute", file: "site.cedar", line: 1, text: forbid }]);
    const now = (await denied("run", "s", [EXECUTE])) ?? "";
    for (const decisionId of [now, before, now, before]) await explain(decisionId);
    expect((await open("run", "s", [READ])).state).toBe("OPEN");
    await putInForce([APPROVAL]);
    await explain(now);
    expect((await open("run", "other", [READ])).state).toBe("OPEN");
  });

  test("as far as the ledger goes where no policy was asked", async () => {
    const { open, store, clock, explain, denied } = await explainScene();
    const off = { act: "activate-policy-set", version: 0, reason: "off", by: OPERATOR } as const;
    await store.ledger.perform({ ...off, now: clock.now() });
    await open("run", "one", [READ]);
    const wide: GrantElement = { ...READ, actions: ["read", "move_data"] };
    const explained = await explain((await denied("run", "two", [wide])) ?? "");
    expect(explained).toMatchObject({
      notAsked: "no policy was asked, or this was not recorded then",
      elements: [{ element: wide, refusedBy: "ceiling" }],
      changes: [{ grant: [READ], without: [{ actions: ["move_data"] }] }],
    });
  });

  test("who asked was refused, and not what was asked for: neither parent nor ceiling is blamed, and nothing was tried", async () => {
    const { open, openBy, enter, kernel, explain, store } = await explainScene();
    const { stepId: parentStepId } = await open("run", "parent", [READ]);
    await enter({ kind: "agent", name: "thief", selectors: ["unix:uid:34"], ceiling: [READ], mayOpen: true });
    const asked = {
      agent: segment("thief"),
      runId: segment("run"),
      step: segment("child"),
      grant: [READ],
      parentStepId,
    };
    await expect(openBy(kernel.start(34), asked)).rejects.toMatchObject({ code: "DELEGATION_REFUSED" });
    const [decision] = await store.history.decisions({ limit: 1 });
    expect(decision).toMatchObject({ effect: "deny", reason: "DELEGATION_REFUSED", requested: [READ] });
    expect(await explain(decision?.decisionId ?? "")).toMatchObject({
      elements: [{ element: READ, refusedBy: "unknown" }],
      changes: [],
      unsearched: "it was refused before any policy was asked",
    });
  });

  test("no decision of that id", async () => {
    const { explain } = await explainScene();
    await expect(explain("dec_none")).rejects.toMatchObject({ code: "STEP_NOT_FOUND" });
    await expect(explain("")).rejects.toMatchObject({ code: "INVALID_FIELD", metadata: { field: "decision_id" } });
  });
});

describe("a decision that an engine elsewhere had a part in", () => {
  const ALLOW: PolicyEffect = { effect: "allow", policies: [] };
  /** Denies writes, and names these policies for it. */
  const against = (policies: readonly string[]): ExternalPolicy => ({
    name: "opa",
    evaluate: async ({ elements }) => ({
      whole: ALLOW,
      elements: elements.map(({ actions }) => (actions.includes("write") ? { effect: "deny", policies } : ALLOW)),
    }),
    close: async () => undefined,
  });

  test.for([
    { what: "by a policy that the set does not have", policies: ["site.no-writes"], named: "opa:site.no-writes" },
    { what: "by none that has a name", policies: [], named: "opa:unnamed" },
  ])("denied $what: it is named without a source, and no change is promised", async ({ policies, named }) => {
    const { denied, explain } = await explainScene([], { external: against(policies) });
    const explained = await explain((await denied("run", "s", [READ, WRITE])) ?? "");
    expect(explained.policies).toContainEqual({ policyId: named });
    expect(explained.elements).toMatchObject([
      { element: READ, effect: { effect: "allow" } },
      { element: WRITE, refusedBy: "policy", effect: { effect: "allow", policies: ["baseline.ceiling"] } },
    ]);
    expect(explained).toMatchObject({
      changes: [],
      unsearched: "the recorded policies permit it: somebody else has refused it as well",
    });
  });

  test("denied by both, by one of them without a name: no change is promised that the other may refuse", async () => {
    const { open, denied, explain } = await explainScene([], { external: against([]) });
    await open("run", "one", [CUSTOMER]);
    const explained = await explain((await denied("run", "two", [READ, WRITE])) ?? "");
    expect(explained.elements[1]?.effect).toEqual({ effect: "deny", policies: ["baseline.ratchet"] });
    expect(explained).toMatchObject({
      changes: [],
      unsearched: "an engine outside of the broker was asked too, and what it would say is not known",
    });
  });

  test("by it alone, with no policies in the set: nothing can be asked again", async () => {
    const { denied, explain } = await explainScene([], { external: against(["site.no-writes"]), isAlone: true });
    const explained = await explain((await denied("run", "s", [READ, WRITE])) ?? "");
    expect(explained).toMatchObject({
      set: { version: 1 },
      notAsked: "the set holds no policies: what decided is not in the ledger",
      policies: expect.arrayContaining([{ policyId: "opa:site.no-writes" }]),
      elements: [{ element: READ }, { element: WRITE, refusedBy: "policy" }],
      changes: [],
      unsearched: "nothing can be verified without asking the policies again",
    });
  });
});

test("an empty set in force permits nothing, and an explanation says that there is nothing to ask", async () => {
  const { denied, explain, store, clock } = await explainScene();
  const set = { policies: [], dataClasses: DATA_CLASSES };
  const empty = { act: "put-policy-set", set, origin: "api", activates: { reason: "empty" }, by: OPERATOR } as const;
  await store.ledger.perform({ ...empty, now: clock.now() });
  const explained = await explain((await denied("run", "s", [READ])) ?? "");
  expect(explained).toMatchObject({
    set: { version: 2 },
    notAsked: "the set holds no policies: what decided is not in the ledger",
    elements: [{ element: READ, refusedBy: "policy" }],
    changes: [],
  });
});

describe("what now: the smallest change that would have passed", () => {
  test("is the one that loses least", async () => {
    const { denied, explain } = await explainScene();
    const both: GrantElement = { ...WRITE, actions: ["read", "write", "retrieve_secret"] };
    const { changes } = await explain((await denied("run", "s", [READ, both])) ?? "");
    expect(changes[0]).toMatchObject({ without: [{ element: both, actions: ["write"] }], withoutParent: false });
    expect(changes[1]).toMatchObject({ without: [{ element: both, actions: ["retrieve_secret"] }] });
  });

  test("is an approval where that alone is missing", async () => {
    const { denied, explain } = await explainScene();
    const { changes } = await explain((await denied("run", "s", [READ, EXECUTE])) ?? "");
    expect(changes[0]).toEqual({ without: [], withoutParent: false, approval: "operators" });
    expect(changes[1]).toMatchObject({ grant: [READ] });
  });

  test("is two things at once where no single one helps", async () => {
    const { denied, explain } = await explainScene();
    const above: GrantElement = { ...READ, actions: ["read", "move_data"] };
    const alone: GrantElement = {
      ...WRITE,
      actions: ["read", "execute"],
      locations: [SEARCH, "https://b.example.org"],
    };
    const { changes } = await explain((await denied("run", "s", [above, alone])) ?? "");
    const [first] = changes;
    expect(first?.without).toHaveLength(2);
  });

  test("is none that a delegation token's cap, which the ledger does not have, would have refused again", async () => {
    const { open, openBy, enter, kernel, broker, clerk, explain } = await explainScene();
    await enter({ kind: "runtime", name: "receiver", selectors: ["unix:uid:12"], agents: ["clerk"] });
    const { stepId } = await open("run", "parent", [READ, WRITE]);
    const order = { stepId, runtime: segment("receiver"), uses: 1, grant: [READ] };
    const parentToken = Buffer.from((await broker.delegate(clerk, order)).svid).toString("latin1");
    const asked = { agent: segment("clerk"), runId: segment("other"), grant: [READ, WRITE], parentToken };
    const thrown: unknown = await openBy(kernel.start(12), asked).catch((error: unknown) => error);
    const { elements, changes } = await explain(thrown instanceof DeniedError ? thrown.denial.decisionId : "");
    expect(elements.map(({ refusedBy }) => refusedBy)).toEqual([undefined, "parent"]);
    expect(changes).toMatchObject([
      { grant: [READ], withoutParent: false },
      { without: [], withoutParent: true },
    ]);
  });

  test("is none that asks for more calls together than the ceiling has", async () => {
    const { enter, kernel, openBy, explain } = await explainScene();
    await enter({
      kind: "agent",
      name: "counted",
      selectors: ["unix:uid:34"],
      ceiling: [{ ...READ, max_calls: 5 }],
      mayOpen: true,
      allowAnyExecutor: true,
    });
    const one: GrantElement = { ...READ, max_calls: 3 };
    const asked = { agent: segment("counted"), runId: segment("run"), grant: [one, { ...one }] };
    const thrown: unknown = await openBy(kernel.start(34), asked).catch((error: unknown) => error);
    const { elements, changes } = await explain(thrown instanceof DeniedError ? thrown.denial.decisionId : "");
    expect(elements.map(({ refusedBy }) => refusedBy)).toEqual([undefined, "ceiling"]);
    const [first, ...others] = changes.map((change) => change.grant);
    expect(first).toEqual([one, { ...one, max_calls: 2 }]);
    expect(others).toEqual(others.map(() => [one]));
  });

  test("is a lower risk where nothing may be done while it is high", async () => {
    const { denied, explain, setRisk } = await explainScene();
    await setRisk("high", "agent:clerk");
    const { changes, whole } = await explain((await denied("run", "s", [READ])) ?? "");
    expect(whole).toMatchObject({ effect: "deny", policies: ["baseline.high-risk"] });
    expect(changes).toEqual([{ without: [], withoutParent: false, riskAtMost: "elevated" }]);
  });
});

test("a recorded request is the very one that the engine was asked", async () => {
  const scene = await explainScene();
  const asked: PolicyRequest[] = [];
  const { engine } = scene.broker.ports;
  const evaluate = engine.evaluate.bind(engine);
  engine.evaluate = async (root, request) => {
    asked.push(request);
    return evaluate(root, request);
  };
  const { stepId: parentStepId } = await scene.open("run", "parent", [READ, CUSTOMER]);
  const above: GrantElement = { ...READ, actions: ["move_data"] };
  await scene.denied("other", "child", [above, READ, WRITE, EXECUTE], { parentStepId, workflow: "w" });
  const [child, parent] = await scene.store.history.decisions({ limit: 2 });
  const recorded = [parent, child].map((one) => {
    const request = one === undefined ? undefined : requestOf(one);
    return request === undefined ? undefined : putTo(DATA_CLASSES, request);
  });
  const opened = asked.filter(({ act }) => act === "open");
  expect(recorded).toEqual(opened);
  expect(opened[1]?.elements).toEqual([READ]);
  expect(opened[1]?.name).toEqual({ runId: segment("other"), step: segment("child"), attempt: 1 });
});
