import { createCedarEngine } from "../../src/adapters/policy-cedar/cedar-engine.ts";
import { readPolicies } from "../../src/adapters/policy-cedar/read-policies.ts";
import type { Grant } from "../../src/domain/grant.ts";
import type { Step } from "../../src/domain/step.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { approveStep } from "../../src/open/approve-step.ts";
import type { OpenRequest } from "../../src/open/open-request.ts";
import { refuseStep } from "../../src/open/refuse-step.ts";
import { OPERATOR } from "../simulation/broker.ts";
import type { SimulatedProcess } from "../simulation/kernel.ts";
import { pathScene, READ, segment } from "./path-scene.ts";

/** What the scene's own policies say, beside the baseline. */
const SITE = `
@id("site.writes_are_approved")
@approval("operators")
forbid (principal, action == Action::"write", resource);

@id("site.never")
forbid (principal, action, resource == Tool::"never");
`;

const CLASSES = {
  ratchet: "run",
  classes: { internal: { sensitivity: "ordinary", securityDomain: [] } },
} as const;

const element = (identifier: string, action: "read" | "write") => ({ ...READ, identifier, actions: [action] });
export const SAFE: Grant = [element("look", "read")];
export const HELD: Grant = [element("pay", "write")];
export const NEVER: Grant = [element("never", "write")];

/** The real paths with policies that hold writes back for approval, and everybody who has a part in it. */
export async function approvalScene() {
  const scene = await pathScene({}, createCedarEngine());
  const { store, clock, broker } = scene;

  async function activate(text: string): Promise<void> {
    const { policies } = await readPolicies({ baseline: true });
    const site = text.split("\n\n").map((one, index) => ({
      policyId: `${/@id\("([a-z_.]+)"\)/.exec(one)?.[1] ?? index}`,
      file: "site.cedar",
      line: 1,
      text: one.trim(),
    }));
    const now = clock.now();
    const set = { policies: [...policies, ...site], dataClasses: CLASSES };
    const activates = { reason: "test" };
    const put = await store.ledger.perform({ act: "put-policy-set", set, origin: "api", activates, by: OPERATOR, now });
    if ("code" in put) throw new Error(put.message);
  }
  await activate(SITE);

  await scene.enter({
    kind: "agent",
    name: "clerk",
    selectors: ["unix:uid:33"],
    ceiling: [{ ...READ, identifier: "*", locations: ["*"], actions: ["read", "write"], datatypes: ["internal"] }],
    mayOpen: true,
    allowAnyExecutor: true,
  });
  await scene.enter({ kind: "operator", name: "bob", selectors: ["unix:uid:52"], role: "approver" });
  await scene.enter({ kind: "operator", name: "eve", selectors: ["unix:uid:33"], role: "approver" });
  const [clerk, approver, requester] = [scene.kernel.start(33), scene.kernel.start(52), scene.kernel.start(33)];

  const openResult = async (grant: Grant, own: Partial<OpenRequest> = {}) =>
    broker.open(
      clerk,
      scene.requestOf({ agent: segment("clerk"), executor: { kind: "any" }, acceptPending: true, grant, ...own }),
    );
  const ask = async (grant: Grant = HELD, own: Partial<OpenRequest> = {}) => (await openResult(grant, own)).step;
  const approve = async (step: Step, by: SimulatedProcess = approver, digest = step.approval?.requestDigest ?? "") =>
    approveStep(
      await scene.attested(by),
      { stepId: step.stepId, requestDigest: digest, reason: "looked at it" },
      broker.ports,
    );
  const refuse = async (step: Step, by: SimulatedProcess = approver) =>
    refuseStep(await scene.attested(by), { stepId: step.stepId, reason: "not today" }, broker.ports);
  const stepNow = async (step: Step) => {
    const now = await store.steps.step(step.stepId);
    if (now === undefined) throw new Error("the step is gone");
    return now;
  };
  const setRisk = (level: "low" | "elevated" | "high") =>
    store.ledger.perform({
      act: "set-risk",
      scope: "domain",
      level,
      expiresAt: addSeconds(secondsOf(clock.now()), 3_600),
      reason: "a detector said so",
      by: OPERATOR,
      now: clock.now(),
    });
  const facts = async (runId = "run") => (await store.steps.world([`run:${runId}`], [], "run")).facts;
  const decisions = () => store.history.decisions({ limit: 100 });
  return {
    ...scene,
    clerk,
    approver,
    requester,
    site: SITE,
    activate,
    openResult,
    ask,
    approve,
    refuse,
    stepNow,
    setRisk,
    facts,
    decisions,
  };
}
