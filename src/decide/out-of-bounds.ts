import type { DecidedOnWorld } from "../domain/decision.ts";
import { BrokerError } from "../domain/errors.ts";
import type { Grant } from "../domain/grant.ts";
import { LIMITS } from "../domain/limits.ts";
import { addsTo, type FactScope, type RunFacts, unitedGrants, withGrant } from "../domain/run-facts.ts";
import { sortedSet } from "../domain/sorted-set.ts";
import type { Step } from "../domain/step.ts";
import type { StepDirectory } from "../ports/directories.ts";
import type { PolicyEffect } from "../ports/policy-engine.ts";
import { aroundSteps, isPermitted, type JudgePorts, judgeStep } from "./judge-step.ts";
import { decidingBy, type World } from "./world.ts";

export type BoundsPorts = JudgePorts & { readonly stepDirectory: Pick<StepDirectory, "openInScopes"> };

export type Bounds = {
  /** Open steps that the policies no longer permit once the grant is made. */
  readonly closes: readonly string[];
  /** One of them is the parent of the step that is to be opened, which therefore can't be. */
  readonly closesParent: boolean;
  /** Whether the grant adds to what is known of the run, so that no other step may be opened meanwhile. */
  readonly isNew: boolean;
  /** What speaks against the parent. */
  readonly policies: readonly string[];
  /** What was known of other scopes in which the open steps are. */
  readonly alsoOn: DecidedOnWorld["facts"];
};

/** Of a grant that ends nothing. */
export const NO_BOUNDS: Bounds = { closes: [], closesParent: false, isNew: false, policies: [], alsoOn: [] };

/** As many as go to the engine together: of a run with thousands of open steps, each would wait for the one before it. */
const JUDGED_TOGETHER_MAX = 64;

type Opening = {
  readonly granted: Grant;
  readonly parent: Step | undefined;
  readonly replaces: string | undefined;
};

/**
 * Which open steps a grant puts out of bounds: what a run may still do hangs on what it was granted, also in steps that
 * are open already. Each is judged as if the grant had been made, on what is known of its own run and on the risk of its
 * own agent, which need not be those of the opening.
 *
 * @throws BrokerError LIMIT_EXCEEDED where more steps would end than one decision can name; and as `judgeStep` does
 */
export async function stepsOutOfBounds(opening: Opening, world: World, ports: BoundsPorts): Promise<Bounds> {
  const facts = withGrant(world.facts, opening.granted);
  // What one of the scopes was granted is from here on known of them all: the step connects them.
  const isNew = world.scopes.some((scope) => addsTo(scope, facts));
  if (world.policies.version === 0 || !isNew) return NO_BOUNDS;
  const scopes = world.scopes.map(({ scope }) => scope);
  const open = await ports.stepDirectory.openInScopes(scopes, world.through);
  const steps = open.filter(({ stepId }) => stepId !== opening.replaces);
  const around = worldsAround(world, ports);
  const closes: string[] = [];
  let against: readonly string[] = [];
  for (let start = 0; start < steps.length; start += JUDGED_TOGETHER_MAX) {
    const together = steps.slice(start, start + JUDGED_TOGETHER_MAX);
    const answers = await Promise.all(
      together.map(async (step) => denialsOf(step, await around.of(step), { facts, countsIn: world.countsIn, ports })),
    );
    for (const [index, { stepId }] of together.entries()) {
      const denials = answers[index];
      if (denials === undefined) continue;
      closes.push(stepId);
      if (stepId === opening.parent?.stepId) against = denials.flatMap(({ policies }) => policies);
    }
    checkNumber(closes);
  }
  const closesParent = opening.parent !== undefined && closes.includes(opening.parent.stepId);
  const alsoOn = around.facts().filter(({ scope }) => !scopes.includes(scope));
  return { closes, closesParent, isNew, policies: sortedSet(against), alsoOn };
}

/** Without looking any further, so that a run with thousands of steps costs no more than it has to. */
function checkNumber({ length }: readonly string[]): void {
  const max = LIMITS.stepsClosedByDecisionMax;
  if (length <= max) return;
  throw new BrokerError(
    "LIMIT_EXCEEDED",
    `this grant would end more than ${max} open steps of the run, and at most ${max} may end with one`,
  );
}

/** What speaks against an open step once the grant is made; `undefined` where nothing does. */
async function denialsOf(
  step: Step,
  world: World,
  { ports, ...grant }: Granted & { readonly ports: BoundsPorts },
): Promise<readonly PolicyEffect[] | undefined> {
  try {
    const once = onceGranted(world, grant);
    const asked = await judgeStep(step, { act: "judge", elements: step.grant }, world, ports, once);
    if (isPermitted(asked, step.grant)) return undefined;
    return [asked.answer.whole, ...asked.answer.elements].filter(({ effect }) => effect === "deny");
  } catch (thrown) {
    // Of which no policy can be asked, that no policy permits. It must not keep its run from ever being granted more.
    if (thrown instanceof BrokerError && UNASKABLE.has(thrown.code)) return [];
    throw thrown;
  }
}

/** Opened while no policies were in force, with more than they can be asked about; or for somebody who was erased. */
const UNASKABLE: ReadonlySet<BrokerError["code"]> = new Set(["LIMIT_EXCEEDED", "NOT_ENTITLED"]);

/** What is known with the grant, and where it counts. */
type Granted = { readonly facts: RunFacts; readonly countsIn: readonly FactScope[] };

/** What is known of an open step once the new step is opened: another step only where it counts in one of the same scopes. */
function onceGranted({ facts: own, countsIn }: World, granted: Granted): RunFacts {
  const more = granted.countsIn.some((scope) => countsIn.includes(scope)) ? 1 : 0;
  return { ...unitedGrants([own, granted.facts]), stepsOpen: own.stepsOpen + more, steps: own.steps + more };
}

/** The worlds around open steps, each looked at once. */
function worldsAround(world: World, ports: BoundsPorts) {
  const look = aroundSteps(decidingBy(world.policies, ports));
  const seen = new Set<World>();
  return {
    async of(step: Step): Promise<World> {
      const one = await look(step);
      seen.add(one);
      return one;
    },
    /**
     * The numbers of all facts that were looked at, the oldest of each scope. That of steps is among them: no step may come
     * to be in a run that an open step connects with one of the grant's, since nobody would judge it.
     */
    facts(): DecidedOnWorld["facts"] {
      const oldest = new Map<FactScope, DecidedOnWorld["facts"][number]>();
      for (const { scope, version, steps } of [...seen].flatMap(({ scopes }) => scopes)) {
        const before = oldest.get(scope);
        oldest.set(scope, {
          scope,
          version: Math.min(version, before?.version ?? version),
          steps: Math.min(steps, before?.steps ?? steps),
        });
      }
      return [...oldest.values()];
    },
  };
}
