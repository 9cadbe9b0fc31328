import type { Approved } from "../domain/approval.ts";
import type { DecidedOn, Decision, FewerCalls, Situation } from "../domain/decision.ts";
import { decidedOn } from "../domain/decision.ts";
import type { DenialLayer } from "../domain/denial-details.ts";
import { BrokerError } from "../domain/errors.ts";
import { asksForBudget, type Grant, type GrantElement, grantLeft, limitedTo } from "../domain/grant.ts";
import { LIMITS } from "../domain/limits.ts";
import { policyDigestOf } from "../domain/policy-set.ts";
import type { KnownPrincipal } from "../domain/principal.ts";
import type { AgentEntry, RegistrationEntry } from "../domain/registration-entry.ts";
import { type FactScope, isOfRun } from "../domain/run-facts.ts";
import { sortedSet } from "../domain/sorted-set.ts";
import type { StepName } from "../domain/spiffe-id.ts";
import type { Step } from "../domain/step.ts";
import type { StepReads } from "../ports/ledger-reads.ts";
import type { PolicyEffect, PolicyEngine } from "../ports/policy-engine.ts";
import { type Asked, askPolicies, type Question } from "./ask-policies.ts";
import { type HeldBack, heldBackBy } from "./held-back.ts";
import { type Bounds, type BoundsPorts, NO_BOUNDS, stepsOutOfBounds } from "./out-of-bounds.ts";
import { guardOf, lookAround, type World, type WorldPorts } from "./world.ts";

export type DecisionRequest = {
  /** The entry by which the caller opens the step. */
  readonly opener: RegistrationEntry;
  readonly entry: AgentEntry;
  readonly name: StepName;
  readonly requested: Grant;
  readonly parent: Step | undefined;
  /** The token by which the parent passes on no more than `cap`. */
  readonly delegated?: { readonly jti: string; readonly cap: Grant } | undefined;
  /** Grant what is permitted rather than refuse all for one element. */
  readonly allowPartial: boolean;
  readonly workflow: string | undefined;
  readonly principal: KnownPrincipal | undefined;
  /** Attested selectors of the caller. */
  readonly selectors: ReadonlySet<string>;
  /** Where the grant will count, as far as the request itself says. */
  readonly scopes: readonly FactScope[];
  /** The attempt that this step will replace, and which therefore counts for nothing. */
  readonly replaces: string | undefined;
  /** The role that has approved the request, and the policies that it was asked for. */
  readonly approved?: Approved;
};

export type DecidePorts = WorldPorts &
  BoundsPorts & {
    readonly engine: Pick<PolicyEngine, "evaluate">;
    readonly steps: Pick<StepReads, "callsCounted">;
  };

/** A decision without the members that only its recording adds, and what it was made on. */
export type Decided = {
  readonly decision: Omit<Decision, "decisionId" | "decidedAt" | "stepId" | "count"> & {
    readonly reason?: "POLICY_DENIED" | "DELEGATION_REFUSED";
  };
  readonly decidedOn: DecidedOn;
  /** Where the grant counts. */
  readonly scopes: readonly FactScope[];
  /** The policies that stand in the way of what `approval` names, sorted. */
  readonly heldBackBy?: readonly string[];
  /** Who refused each element of the request; `undefined` for one that nobody did. */
  readonly refusers: readonly (DenialLayer | undefined)[];
  /** Whether a policy refuses the step as a whole. */
  readonly refusesWhole: boolean;
};

/**
 * What a step may be granted: the request, within the entry's ceiling, within what the parent step has left, within what
 * policy permits. An element is granted or refused whole, but for its calls: where a part of the request is enough, as many
 * are granted as are left. None is ever widened.
 *
 * @throws BrokerError as `askPolicies` and `lookAround` do; the caller then opens nothing
 */
export async function decide(request: DecisionRequest, ports: DecidePorts): Promise<Decided> {
  const { requested } = request;
  const limited = await limitsOn(request, ports);
  const question = questionOf(
    request,
    limited.flatMap(({ element }) => element ?? []),
  );
  const world = await lookAround({ agent: question.agent, scopes: request.scopes }, ports);
  checkConnections(world);
  const asked = await askPolicies(question, world, ports.engine);
  const answers = asked.answer.elements[Symbol.iterator]();
  const refusers = limited.map(({ layer }) => layer ?? refusedBy(answers.next().value, asked.answer.whole));
  const granted = limited.flatMap(({ element }, index) => (refusers[index] === undefined ? (element ?? []) : []));
  const isAllowed =
    asked.answer.whole.effect === "allow" &&
    (granted.length === requested.length || (request.allowPartial && granted.length > 0));
  const bounds = isAllowed ? await stepsOutOfBounds({ ...request, granted }, world, ports) : NO_BOUNDS;
  return decided(request, {
    limited,
    refusers,
    asked,
    world,
    bounds,
    granted: isAllowed && !bounds.closesParent ? granted : [],
  });
}

/** All of them are looked at whenever one of them is granted something new. */
function checkConnections({ scopes }: World): void {
  const max = LIMITS.connectedRunsMax;
  if (scopes.filter(({ scope }) => isOfRun(scope)).length <= max + 1) return;
  throw new BrokerError(
    "LIMIT_EXCEEDED",
    `the run would be connected with more than ${max} others by open steps that were delegated from there`,
  );
}

function questionOf(request: DecisionRequest, elements: Grant): Question {
  const { opener, entry, name, requested, parent, workflow, principal, selectors, approved } = request;
  return {
    act: "open",
    agent: entry.content.name,
    name,
    ...(opener.content.kind === "runtime" ? { runtime: opener.content.name } : {}),
    ...(principal === undefined ? {} : { principal }),
    ...(workflow === undefined ? {} : { workflow }),
    ...(parent === undefined ? {} : { parent: { agent: parent.agent, name: nameOf(parent) } }),
    requested,
    elements,
    depth: parent === undefined ? 0 : parent.depth + 1,
    selectors: [...selectors].filter(holdsNoPath).sort(),
    ...(approved === undefined ? {} : { approved: approved.role, approvedPolicies: approved.policies }),
  };
}

function nameOf({ runId, step, attempt }: Step): StepName {
  return { runId, step, attempt };
}

/** Paths of the host are no business of the ledger. */
function holdsNoPath(selector: string): boolean {
  return !selector.startsWith("unix:path:");
}

/** What is left of an element for the policies to decide on, or who refused it before. */
type Limited =
  | { readonly element: GrantElement; readonly layer?: undefined }
  | { readonly element?: undefined; readonly layer: DenialLayer };

/** All elements are looked at together, since they draw on the same budgets. */
async function limitsOn(request: DecisionRequest, ports: Pick<DecidePorts, "steps">): Promise<readonly Limited[]> {
  const { requested, entry, parent, delegated, allowPartial } = request;
  const permitted = limitedTo(requested, entry.content.ceiling, allowPartial);
  const left = parent === undefined ? undefined : await leftOf(parent, requested, ports);
  const limits = [left, delegated?.cap].filter((grant) => grant !== undefined);
  const held = limits.reduce((elements, limit) => limitedTo(elements, limit, allowPartial), permitted);
  return requested.map((_, index): Limited => {
    const element = held[index];
    if (element !== undefined) return { element };
    return { layer: permitted[index] === undefined ? "ceiling" : "parent" };
  });
}

async function leftOf(
  { stepId, grant }: Step,
  requested: Grant,
  { steps }: Pick<DecidePorts, "steps">,
): Promise<Grant> {
  return asksForBudget(requested) ? grantLeft(grant, await steps.callsCounted(stepId)) : grant;
}

/** Elements of which fewer calls are left than were asked for. */
function fewerCallsOf(limited: readonly Limited[], requested: Grant): readonly FewerCalls[] {
  return limited.flatMap(({ element }, index) => {
    const calls = element?.max_calls;
    return calls === undefined || calls === requested[index]?.max_calls ? [] : [{ element: index, calls }];
  });
}

/** What of a request is not granted: of an element with fewer calls, the others. */
function refusedOf({ limited, refusers, granted }: Findings, requested: Grant): Grant {
  const fewer = granted.length === 0 ? [] : fewerCallsOf(limited, requested);
  return requested.flatMap((element, index) => {
    if (refusers[index] !== undefined) return [element];
    const part = fewer.find((one) => one.element === index);
    return part === undefined ? [] : [{ ...element, max_calls: (element.max_calls ?? 0) - part.calls }];
  });
}

/** An element that a policy says nothing of is refused, and so is each where the step may not be opened at all. */
function refusedBy(answer: PolicyEffect | undefined, whole: PolicyEffect): DenialLayer | undefined {
  return answer?.effect === "allow" && whole.effect === "allow" ? undefined : "policy";
}

/**
 * Who could let all of the request pass, where nothing stands in the way but policies that ask for this approval. What waits
 * is what was asked for: an element of which fewer calls are left would wait for more than ceiling, parent or token allow.
 */
function approvalOf({ limited, refusers, asked }: Findings, requested: Grant): HeldBack | undefined {
  const isRefused = refusers.some((refuser) => refuser === "ceiling" || refuser === "parent");
  const isLimited = isRefused || fewerCallsOf(limited, requested).length > 0;
  const { whole, elements } = asked.answer;
  const isAnswered = elements.length === refusers.length;
  return isLimited || !isAnswered ? undefined : heldBackBy([whole, ...elements]);
}

/** Which elements the policies were not asked about. */
function limitsOf(refusers: Findings["refusers"]): Pick<Situation, "aboveCeiling" | "aboveParent"> {
  const positions = (layer: DenialLayer) => refusers.flatMap((refuser, index) => (refuser === layer ? [index] : []));
  const [aboveCeiling, aboveParent] = [positions("ceiling"), positions("parent")];
  return {
    ...(aboveCeiling.length === 0 ? {} : { aboveCeiling }),
    ...(aboveParent.length === 0 ? {} : { aboveParent }),
  };
}

type Findings = {
  readonly limited: readonly Limited[];
  readonly refusers: readonly (DenialLayer | undefined)[];
  readonly asked: Asked;
  readonly world: World;
  readonly bounds: Bounds;
  readonly granted: Grant;
};

function decided(request: DecisionRequest, findings: Findings): Decided {
  const { entry, opener, name, requested, delegated } = request;
  const { refusers, asked, world, bounds, granted } = findings;
  const { whole, elements, countsSteps } = asked.answer;
  const isAllowed = granted.length > 0 || (requested.length === 0 && whole.effect === "allow" && !bounds.closesParent);
  const onlyTheParentRefused =
    refusers.some((refuser) => refuser === "parent") &&
    refusers.every((refuser) => refuser === undefined || refuser === "parent");
  const errors = sortedSet([whole, ...elements].flatMap((effect) => effect.errors ?? []));
  const approval = isAllowed ? undefined : approvalOf(findings, requested);
  const { facts, ...guard } = guardOf(world, countsSteps === true || bounds.isNew);
  return {
    decision: {
      act: "open",
      effect: isAllowed ? "allow" : "deny",
      ...(isAllowed ? {} : { reason: onlyTheParentRefused ? "DELEGATION_REFUSED" : "POLICY_DENIED" }),
      callerEntryId: opener.entryId,
      agent: entry.content.name,
      runId: name.runId,
      step: name.step,
      attempt: name.attempt,
      requested,
      granted,
      refused: bounds.closesParent ? requested : refusedOf(findings, requested),
      determiningPolicies: [
        `ceiling:${entry.entryId}@${entry.revision}`,
        ...(delegated === undefined ? [] : [`delegation:${delegated.jti}`]),
        ...sortedSet([whole, ...elements].flatMap(({ policies }) => policies)),
        ...(bounds.closesParent ? bounds.policies : []),
      ],
      policyDigest: policyDigestOf(entry, world.policies.root),
      ...(errors.length === 0 ? {} : { policyErrors: errors }),
      ...(asked.situation === undefined ? {} : { situation: situationOf(asked.situation, request, findings) }),
      ...(isAllowed && asked.opening !== undefined ? { opening: asked.opening } : {}),
      ...(isAllowed && bounds.closes.length > 0 ? { closes: bounds.closes } : {}),
      ...(approval === undefined ? {} : { approval: approval.role }),
    },
    decidedOn: { ...decidedOn(entry, opener), world: { ...guard, facts: [...facts, ...bounds.alsoOn] } },
    scopes: world.countsIn,
    ...(approval === undefined ? {} : { heldBackBy: approval.policies }),
    // A grant that would end the parent is refused whole, and by the policies.
    refusers: bounds.closesParent ? refusers.map((refuser) => refuser ?? "policy") : refusers,
    refusesWhole: whole.effect === "deny",
  };
}

/** With what a later look at the decision needs to tell why it came out as it did. */
function situationOf(
  asked: Situation,
  { allowPartial, requested }: Pick<DecisionRequest, "allowPartial" | "requested">,
  { limited, refusers, bounds: { closesParent } }: Pick<Findings, "limited" | "refusers" | "bounds">,
): Situation {
  const fewerCalls = fewerCallsOf(limited, requested);
  return {
    ...asked,
    ...limitsOf(refusers),
    ...(allowPartial && { allowPartial }),
    ...(fewerCalls.length > 0 && { fewerCalls }),
    ...(closesParent && { closesParent }),
  };
}
