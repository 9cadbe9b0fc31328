import type { RiskLevel, RiskScope } from "../../src/domain/risk.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import type { PolicyEngine } from "../../src/ports/policy-engine.ts";
import { done } from "../contract/ledger-world.ts";
import { createRuleEngine, policySetOf, type RuleSet } from "../memory/rule-engine.ts";
import { pathScene, segment } from "../open/path-scene.ts";
import { OPERATOR } from "../simulation/broker.ts";

/** Whatever the ceiling allows; only reading while the risk is elevated; nothing while it is high. */
export const CALM: RuleSet = {
  ceiling: { effect: "permit" },
  "elevated-writes": { effect: "forbid", action: "write", from: "elevated" },
  high: { effect: "forbid", from: "high" },
};

/** A gate at which questions wait, for what has to happen while they are on the way. */
export function gatedEngine() {
  const engine = createRuleEngine();
  let gate = Promise.resolve();
  let asked = 0;
  const gated: PolicyEngine = {
    ...engine,
    async evaluate(root, request) {
      asked += 1;
      await gate;
      return engine.evaluate(root, request);
    },
  };
  return {
    engine: gated,
    asked: () => asked,
    /** Closes the gate until the returned function is called. */
    shut(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>();
      gate = promise;
      return resolve;
    },
  };
}

/** The real paths with policies, risk, and the follower that judges open steps anew. */
export async function reassessScene(engine: PolicyEngine = createRuleEngine()) {
  const scene = await pathScene({}, engine);
  const { broker, clock, store } = scene;
  const { ledger } = store;
  let steps = 0;

  async function activate(rules: RuleSet): Promise<number> {
    const act = { act: "put-policy-set", set: policySetOf(rules), origin: "api", by: OPERATOR } as const;
    const { sequence } = done(await ledger.perform({ ...act, activates: { reason: "test" }, now: clock.now() }));
    await broker.policies.following.reached(sequence);
    return sequence;
  }

  async function setRisk(scope: RiskScope, level: RiskLevel, ttlSeconds = 600): Promise<number> {
    const expiresAt = addSeconds(secondsOf(clock.now()), ttlSeconds);
    const of = { scope, level, expiresAt, reason: "test", by: OPERATOR, now: clock.now() };
    return done(await ledger.perform({ act: "set-risk", ...of })).sequence;
  }

  return {
    ...scene,
    activate,
    setRisk,
    /** A step of its own name. */
    openNew(...[by, own]: Parameters<typeof scene.open>) {
      steps += 1;
      return scene.open(by, { step: segment(`step-${steps}`), ...own });
    },
    outcome: (key: Parameters<typeof broker.reassessment.outcome>[0], sequence: number) =>
      broker.reassessment.outcome(key, sequence, 10_000),
    stateOf: async (stepId: string) => (await store.steps.step(stepId))?.state,
    judgements: async () => (await store.history.events({ type: "steps.judged", limit: 500 })).length,
  };
}
