import { expect, test } from "vitest";
import { putTo, requestOf } from "../../src/decide/recorded-request.ts";
import type { Decision, Situation } from "../../src/domain/decision.ts";
import type { GrantElement } from "../../src/domain/grant.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import { approvalScene } from "../open/approval-scene.ts";

test("what was approved is asked again with its approval, and comes out as it did", async () => {
  const { ask, approve, decisions, store, broker } = await approvalScene();
  await approve(await ask());
  const [decision] = await decisions();
  const request = decision === undefined ? undefined : requestOf(decision);
  const set = await store.policies.policySet(decision?.situation?.policyVersion ?? 0);
  if (request === undefined || set === undefined) throw new Error("the decision can't be asked again");
  const answer = await broker.ports.engine.evaluate(set.root, putTo(set.dataClasses, request));
  expect([answer.whole, ...answer.elements].map(({ effect }) => effect)).toEqual(["allow", "allow"]);
});

const element = (identifier: string): GrantElement => ({
  type: "mcp_tool",
  identifier,
  locations: ["https://mcp.example.org"],
  actions: ["read"],
  datatypes: ["internal"],
});
const SITUATION: Situation = {
  policyVersion: 1,
  facts: { classes: [], actions: [], stepsOpen: 0, steps: 0 },
  risk: { domain: "low", agent: "low", run: "low" },
  depth: 0,
  selectors: [],
  at: 1_000_000 as UnixMicros,
  aboveCeiling: [0],
  aboveParent: [2],
  allowPartial: true,
  closesParent: true,
};
const DECISION: Decision = {
  decisionId: "dec_1",
  act: "open",
  effect: "deny",
  decidedAt: 2_000_000 as UnixMicros,
  agent: "clerk",
  runId: "run",
  step: "step",
  attempt: 1,
  requested: [element("a"), element("b"), element("c")],
  granted: [],
  refused: [],
  determiningPolicies: [],
  policyDigest: "",
  situation: SITUATION,
  count: 1,
};

test("the engine is asked what it was asked, at the same time, and of nothing that only the decision was made on", () => {
  expect(requestOf(DECISION)).toStrictEqual({
    act: "open",
    agent: "clerk",
    name: { runId: "run", step: "step", attempt: 1 },
    requested: DECISION.requested,
    elements: [element("b")],
    facts: SITUATION.facts,
    risk: SITUATION.risk,
    depth: 0,
    selectors: [],
    at: 1_000_000,
  });
});

test.for<{ what: string; decision: Decision }>([
  { what: "no policy is asked to attest", decision: { ...DECISION, act: "attest" } },
  {
    what: "no one is known any more for whom it was",
    decision: { ...DECISION, situation: { ...SITUATION, principalId: "p" } },
  },
  { what: "it stands for requests that differ", decision: { ...DECISION, count: 2, requested: [] } },
])("there is no request where $what", ({ decision }) => {
  expect(requestOf(decision)).toBeUndefined();
});
