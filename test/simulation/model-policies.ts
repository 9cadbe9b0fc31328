import type { LedgerEvent } from "../../src/domain/ledger-event.ts";
import type { Policy } from "../../src/domain/policy-set.ts";
import { isRiskier, type RiskLevel, type RiskScope } from "../../src/domain/risk.ts";
import { factScopesOf } from "../../src/domain/run-facts.ts";
import type { OpenedStep } from "../../src/domain/step.ts";
import { microsOf, type UnixMicros, type UnixSeconds } from "../../src/domain/time.ts";
import { answerOf, type Rule, type RuleSet } from "../memory/rule-engine.ts";

type ModelRisk = { readonly level: RiskLevel; readonly expiresAt: UnixSeconds; readonly roseAt: number };

/** What the events say of policies and risk. */
export type ModelPolicies = {
  take(event: LedgerEvent, sequence: number): void;
  /** Whether the policies in force permit all of a step's grant, with so many other steps open. */
  permits(step: OpenedStep, at: UnixMicros, stepsOpen: number): boolean;
  /** When a risk around a step rose last, while policies are in force; 0: never. */
  roseAt(step: OpenedStep): number;
};

export function createModelPolicies(): ModelPolicies {
  const texts = new Map<string, Policy>();
  const sets = new Map<number, RuleSet>();
  const risks = new Map<string, ModelRisk>();
  let inForce: RuleSet | undefined;

  const around = ({ agent, ...step }: OpenedStep) => ["domain", `agent:${agent}`, ...factScopesOf(step)];

  function levelOf(scope: string, at: UnixMicros): RiskLevel {
    const risk = risks.get(scope);
    return risk === undefined || microsOf(risk.expiresAt) <= at ? "low" : risk.level;
  }

  return {
    take(event, sequence) {
      switch (event.type) {
        case "policy.put":
          return void texts.set(event.digest, event.policy);
        case "policy_set.listed": {
          const listed = event.digests.flatMap((digest) => texts.get(digest) ?? []);
          const rules = listed.map(({ policyId, text }) => [policyId, JSON.parse(text) as Rule] as const);
          return void sets.set(event.version, Object.fromEntries(rules));
        }
        case "policy_set.activated":
          inForce = sets.get(event.version);
          return;
        case "risk.set": {
          const scope: RiskScope = event.scope;
          const isRise = isRiskier(event.level, levelOf(scope, event.at));
          const roseAt = isRise ? sequence : (risks.get(scope)?.roseAt ?? 0);
          return void risks.set(scope, { level: event.level, expiresAt: event.expiresAt, roseAt });
        }
        default:
      }
    },
    permits(step, at, stepsOpen) {
      if (inForce === undefined) return true;
      const levels = around(step).map((scope) => levelOf(scope, at));
      const highest = levels.reduce((high, level) => (isRiskier(level, high) ? level : high), "low");
      const { agent, grant, depth } = step;
      const { whole, elements } = answerOf(inForce, {
        act: "judge",
        agent,
        name: step,
        requested: grant,
        elements: grant,
        facts: { classes: [], actions: [], stepsOpen, steps: 0 },
        risk: { domain: highest, agent: "low", run: "low" },
        depth,
        selectors: [],
        at,
      });
      return [whole, ...elements].every(({ effect }) => effect === "allow");
    },
    roseAt: (step) =>
      inForce === undefined ? 0 : Math.max(0, ...around(step).map((scope) => risks.get(scope)?.roseAt ?? 0)),
  };
}
