import { type DataClasses, NO_DATA_CLASSES } from "../../src/domain/data-classes.ts";
import type { Action, GrantElement } from "../../src/domain/grant.ts";
import type { PolicySet } from "../../src/domain/policy-set.ts";
import { greatestRisk, isRiskier, type RiskLevel } from "../../src/domain/risk.ts";
import type {
  PolicyAct,
  PolicyAnswer,
  PolicyEffect,
  PolicyEngine,
  PolicyRequest,
} from "../../src/ports/policy-engine.ts";

/** A policy of the tests: it speaks of whatever all its conditions hold for. */
export type Rule = {
  readonly effect: "permit" | "forbid";
  /** What is asked for; absent: anything. */
  readonly act?: PolicyAct;
  readonly agent?: string;
  readonly action?: Action;
  readonly datatype?: string;
  /** From this level of risk on, whichever of domain, agent and run bears it. */
  readonly from?: RiskLevel;
  /** More steps than these are open. */
  readonly openAbove?: number;
  /** It reaches beyond where the run is confined to. */
  readonly beyond?: true;
  /** Whom the step works for, by their subject. */
  readonly sub?: string;
  /** Who may approve what it forbids. */
  readonly approval?: string;
};

export type RuleSet = Readonly<Record<string, Rule>>;

export function policySetOf(rules: RuleSet, dataClasses: DataClasses = NO_DATA_CLASSES): PolicySet {
  const policies = Object.entries(rules).map(([policyId, rule], index) => {
    return { policyId, file: "rules", line: index + 1, text: JSON.stringify(rule) };
  });
  return { policies, dataClasses };
}

/** What such policies answer: a function of the request alone, so that a model can say it too. */
export function answerOf(rules: RuleSet, request: PolicyRequest): PolicyAnswer {
  return {
    whole: effectOf(rules, request, undefined),
    elements: request.elements.map((element) => effectOf(rules, request, element)),
    ...(Object.values(rules).some(({ openAbove }) => openAbove !== undefined) ? { countsSteps: true } : {}),
  };
}

function effectOf(rules: RuleSet, request: PolicyRequest, element: GrantElement | undefined): PolicyEffect {
  const matching = Object.entries(rules).filter(
    ([policyId, rule]) => !isAnswered(policyId, rule, request) && matches(rule, request, element),
  );
  const of = (effect: Rule["effect"]) =>
    matching.flatMap(([policyId, rule]) => (rule.effect === effect ? [policyId] : [])).sort();
  const [permits, forbids] = [of("permit"), of("forbid")];
  if (forbids.length > 0) {
    const roles = new Set(forbids.map((policyId) => rules[policyId]?.approval));
    const [role] = roles;
    return { effect: "deny", policies: forbids, ...(roles.size === 1 && role !== undefined && { approval: role }) };
  }
  return permits.length > 0 ? { effect: "allow", policies: permits } : { effect: "deny", policies: [] };
}

/** What asks for an approval that was given for it is set aside. */
function isAnswered(policyId: string, rule: Rule, { approved, approvedPolicies }: PolicyRequest): boolean {
  if (rule.approval === undefined || rule.approval !== approved) return false;
  return approvedPolicies === undefined || approvedPolicies.includes(policyId);
}

function matches(rule: Rule, request: PolicyRequest, element: GrantElement | undefined): boolean {
  const { act, risk, facts, agent, confinedTo, principal } = request;
  const level = greatestRisk([risk.domain, risk.agent, risk.run]);
  const isBeyond = element?.locations.some((one) => confinedTo?.includes(one) === false) === true;
  return (
    (rule.beyond === undefined || isBeyond) &&
    (rule.sub === undefined || rule.sub === principal?.sub) &&
    (rule.act === undefined || rule.act === act) &&
    (rule.agent === undefined || rule.agent === agent) &&
    (rule.action === undefined || element?.actions.includes(rule.action) === true) &&
    (rule.datatype === undefined || element?.datatypes.includes(rule.datatype) === true) &&
    (rule.from === undefined || !isRiskier(rule.from, level)) &&
    (rule.openAbove === undefined || facts.stepsOpen >= rule.openAbove)
  );
}

/** An engine whose policies are `Rule`s in JSON. */
export function createRuleEngine(): PolicyEngine {
  const sets = new Map<string, RuleSet>();
  return {
    check: async () => [],
    async load(root, { policies }) {
      sets.set(root, Object.fromEntries(policies.map(({ policyId, text }) => [policyId, JSON.parse(text) as Rule])));
    },
    // What is let go of by one may be in force by another's word; so few sets need not be counted.
    unload: () => undefined,
    async evaluate(root, request) {
      const rules = sets.get(root);
      if (rules === undefined) throw new RangeError("a set that was not loaded is asked");
      return answerOf(rules, request);
    },
    close: async () => undefined,
  };
}
