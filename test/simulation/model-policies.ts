import type { Approved } from "../../src/domain/approval.ts";
import type { DataClasses } from "../../src/domain/data-classes.ts";
import type { Grant } from "../../src/domain/grant.ts";
import type { LedgerEvent } from "../../src/domain/ledger-event.ts";
import type { Policy } from "../../src/domain/policy-set.ts";
import { isRiskier, type RiskLevel, type RiskScope } from "../../src/domain/risk.ts";
import { factScopesOf } from "../../src/domain/run-facts.ts";
import type { OpenedStep } from "../../src/domain/step.ts";
import { microsOf, type UnixMicros, type UnixSeconds } from "../../src/domain/time.ts";
import type { PolicyAct } from "../../src/ports/policy-engine.ts";
import { answerOf, type Rule, type RuleSet } from "../memory/rule-engine.ts";

type ModelRisk = { readonly level: RiskLevel; readonly expiresAt: UnixSeconds; readonly roseAt: number };
type ModelSet = { readonly rules: RuleSet; readonly dataClasses: DataClasses };

/** What is asked of the policies about a step. */
export type ModelQuestion = {
  readonly at: UnixMicros;
  /** Other steps. */
  readonly stepsOpen: number;
  /** Data classes that were granted around the step. */
  readonly classes: readonly string[];
  /** Absent: all that the step holds. */
  readonly elements?: Grant;
  readonly act?: PolicyAct;
  /** Whose approval was given. */
  readonly approved?: Approved | undefined;
};

/** What the events say of policies and risk. */
export type ModelPolicies = {
  take(event: LedgerEvent, sequence: number): void;
  /** Whether the policies in force permit all that is asked. */
  permits(step: OpenedStep, question: ModelQuestion): boolean;
  /** Whether by these policies a step holds what its run must not have any more once it was granted these classes. */
  isOutOfBounds(step: OpenedStep, classes: readonly string[]): boolean;
  /** When a risk around a step rose last, while policies are in force; 0: never. */
  roseAt(step: OpenedStep): number;
  /** Whose grants count together by the set in force. */
  ratchet(): DataClasses["ratchet"];
  /** The event that put the set in force; 0: none was. */
  activatedAt(): number;
};

export function createModelPolicies(): ModelPolicies {
  const texts = new Map<string, Policy>();
  const sets = new Map<number, RuleSet>();
  const dataClasses = new Map<number, DataClasses>();
  const risks = new Map<string, ModelRisk>();
  let inForce: ModelSet | undefined;
  let activatedAt = 0;

  const around = ({ agent, ...step }: OpenedStep) => ["domain", `agent:${agent}`, ...factScopesOf(step)];

  function levelOf(scope: string, at: UnixMicros): RiskLevel {
    const risk = risks.get(scope);
    return risk === undefined || microsOf(risk.expiresAt) <= at ? "low" : risk.level;
  }

  function highestAround(step: OpenedStep, at: UnixMicros): RiskLevel {
    const levels = around(step).map((scope) => levelOf(scope, at));
    return levels.reduce((high, level) => (isRiskier(level, high) ? level : high), "low");
  }

  function allows(rules: RuleSet, known: DataClasses, step: OpenedStep, question: ModelQuestion, risk: RiskLevel) {
    const { agent, grant, depth } = step;
    const { act = "judge", elements = grant, stepsOpen, classes, approved, at } = question;
    const confinedTo = domainLeft([...classes, ...elements.flatMap(({ datatypes }) => datatypes)], known);
    const answer = answerOf(rules, {
      ...{ act, agent, name: step, requested: elements, elements, depth, at, selectors: [] },
      facts: { classes, actions: [], stepsOpen, steps: 0 },
      risk: { domain: risk, agent: "low", run: "low" },
      ...(confinedTo === undefined ? {} : { confinedTo }),
      ...(approved === undefined ? {} : { approved: approved.role, approvedPolicies: approved.policies }),
    });
    return [answer.whole, ...answer.elements].every(({ effect }) => effect === "allow");
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
        case "policy_set.put":
          return void dataClasses.set(event.set.version, event.set.dataClasses);
        case "policy_set.activated": {
          const [rules, known] = [sets.get(event.version), dataClasses.get(event.version)];
          inForce = rules === undefined || known === undefined ? undefined : { rules, dataClasses: known };
          activatedAt = sequence;
          return;
        }
        case "risk.set": {
          const scope: RiskScope = event.scope;
          const isRise = isRiskier(event.level, levelOf(scope, event.at));
          const roseAt = isRise ? sequence : (risks.get(scope)?.roseAt ?? 0);
          return void risks.set(scope, { level: event.level, expiresAt: event.expiresAt, roseAt });
        }
        default:
      }
    },
    permits(step, question) {
      if (inForce === undefined) return true;
      return allows(inForce.rules, inForce.dataClasses, step, question, highestAround(step, question.at));
    },
    isOutOfBounds(step, classes) {
      if (inForce === undefined) return false;
      const bounds = Object.entries(inForce.rules).filter(([, { beyond }]) => beyond);
      const rules: RuleSet = { ...Object.fromEntries(bounds), everything: { effect: "permit" } };
      return !allows(rules, inForce.dataClasses, step, { at: step.openedAt, stepsOpen: 0, classes }, "low");
    },
    roseAt: (step) =>
      inForce === undefined ? 0 : Math.max(0, ...around(step).map((scope) => risks.get(scope)?.roseAt ?? 0)),
    ratchet: () => inForce?.dataClasses.ratchet ?? "run",
    activatedAt: () => activatedAt,
  };
}

/** Where whoever was granted these classes may still write: nowhere outside of any of the classes' domains. */
function domainLeft(granted: readonly string[], { classes }: DataClasses): readonly string[] | undefined {
  let left: readonly string[] | undefined;
  for (const name of granted) {
    const known = classes[name];
    if (known?.sensitivity === "ordinary") continue;
    const domain = known?.securityDomain ?? [];
    left = left === undefined ? domain : left.filter((one) => domain.includes(one));
  }
  return left;
}
