import type { Approved } from "../domain/approval.ts";
import type { OpenerFacts, Situation } from "../domain/decision.ts";
import type { Grant } from "../domain/grant.ts";
import type { KnownPrincipal } from "../domain/principal.ts";
import { factScopesOf, type RunFacts } from "../domain/run-facts.ts";
import { sortedSet } from "../domain/sorted-set.ts";
import type { Step } from "../domain/step.ts";
import type { StepReads } from "../ports/ledger-reads.ts";
import type { PolicyEngine } from "../ports/policy-engine.ts";
import type { PrincipalVault } from "../ports/principal-vault.ts";
import { type Asked, askPolicies, type Question } from "./ask-policies.ts";
import { knownPrincipal } from "./known-principal.ts";
import { lookAround, type World, type WorldPorts } from "./world.ts";

export type JudgePorts = WorldPorts & {
  readonly engine: Pick<PolicyEngine, "evaluate">;
  readonly steps: Pick<StepReads, "opening" | "step">;
  readonly principals: Pick<PrincipalVault, "open">;
};

/** The world around an open step. @throws BrokerError as `lookAround` does */
export function aroundStep(step: Step, ports: WorldPorts): Promise<World> {
  return lookAround({ agent: step.agent, scopes: factScopesOf(step) }, ports);
}

export type LookAround = (step: Step) => Promise<World>;

/** Steps of one agent that count in the same scopes have the same world around them, which is looked at once. */
export function aroundSteps(ports: WorldPorts): LookAround {
  const worlds = new Map<string, Promise<World>>();
  return (step) => {
    // A scope has no line break in it.
    const standpoint = [step.agent, ...factScopesOf(step)].join("\n");
    const known = worlds.get(standpoint);
    if (known !== undefined) return known;
    const world = aroundStep(step, ports);
    worlds.set(standpoint, world);
    return world;
  };
}

/**
 * What the policies say now of an open step: whether it may go on with all that it holds, or whether it may do one thing
 * of what it holds. Caller, runtime and parent are those of its opening; where the ledger does not have caller and
 * runtime, what looks at them denies.
 *
 * @param asked - `elements`: all of the step's grant for `judge`; one element, as narrow as the call, for `call`.
 * @param asked.approved - who has approved this one thing; what was approved of the step stays approved without.
 * @param facts - what counts as granted, the step's own grant included.
 * @throws BrokerError as `askPolicies` does
 */
export async function judgeStep(
  step: Step,
  asked: { readonly act: Exclude<Question["act"], "open">; readonly elements: Grant; readonly approved?: Approved },
  world: World,
  ports: JudgePorts,
  facts: RunFacts = world.facts,
): Promise<Asked> {
  const isAsked = world.policies.version !== 0;
  const opening = isAsked ? await ports.steps.opening(step.decisionId) : undefined;
  const principal = isAsked ? await knownPrincipal(step, ports.principals) : undefined;
  const parent = isAsked && opening === undefined ? await parentOf(step, ports) : opening?.parent;
  const question = questionOf(step, asked, { opening, principal, parent });
  return askPolicies(question, world, ports.engine, withoutItself(facts));
}

/** The hop is a question of its own, which must not be left out because nobody was asked when the step was opened. */
async function parentOf({ parentStepId }: Step, { steps }: Pick<JudgePorts, "steps">): Promise<Situation["parent"]> {
  const parent = parentStepId === undefined ? undefined : await steps.step(parentStepId);
  if (parent === undefined) return undefined;
  const { agent, runId, step, attempt } = parent;
  return { agent, name: { runId, step, attempt } };
}

function questionOf(
  step: Step,
  {
    act,
    elements,
    approved,
  }: { readonly act: Question["act"]; readonly elements: Grant; readonly approved?: Approved },
  {
    opening,
    principal,
    parent,
  }: {
    readonly opening: OpenerFacts | undefined;
    readonly principal: KnownPrincipal | undefined;
    readonly parent: Situation["parent"];
  },
): Question {
  const { agent, runId, step: name, attempt, workflow, depth, grant, approval } = step;
  // What was approved stays approved: the policies that asked for it do not end the step.
  const given = bothApproved(approval, approved);
  return {
    act,
    agent,
    name: { runId, step: name, attempt },
    ...(opening?.runtime === undefined ? {} : { runtime: opening.runtime }),
    ...(principal === undefined ? {} : { principal }),
    ...(workflow === undefined ? {} : { workflow }),
    ...(parent === undefined ? {} : { parent }),
    requested: act === "judge" ? grant : elements,
    elements,
    depth,
    selectors: opening?.selectors ?? [],
    ...(opening === undefined ? { openerUnknown: true } : {}),
    ...(given === undefined ? {} : { approved: given.role, approvedPolicies: given.policies }),
  };
}

/** What somebody has approved of a step, and of this one thing. All policies ask for the same role. */
function bothApproved(ofStep: Approved | undefined, ofThis: Approved | undefined): Approved | undefined {
  if (ofStep === undefined || ofThis === undefined) return ofThis ?? ofStep;
  return { role: ofThis.role, policies: sortedSet([...ofStep.policies, ...ofThis.policies]) };
}

/** A step is judged as if it were opened now, so that it does not count itself. */
function withoutItself({ stepsOpen, steps, ...granted }: RunFacts): RunFacts {
  return { ...granted, stepsOpen: Math.max(0, stepsOpen - 1), steps: Math.max(0, steps - 1) };
}

/** Whether the policies let an open step go on as it is. */
export function isPermitted({ answer }: Asked, elements: Grant): boolean {
  return answer.whole.effect === "allow" && elements.every((_, index) => answer.elements[index]?.effect === "allow");
}
