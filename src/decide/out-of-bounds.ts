import { BrokerError } from "../domain/errors.ts";
import type { Grant } from "../domain/grant.ts";
import { LIMITS } from "../domain/limits.ts";
import { addsTo, type FactScope, withGrant } from "../domain/run-facts.ts";
import type { Step } from "../domain/step.ts";
import type { StepDirectory } from "../ports/directories.ts";
import { isPermitted, type JudgePorts, judgeStep } from "./judge-step.ts";
import type { World } from "./world.ts";

export type BoundsPorts = JudgePorts & { readonly stepDirectory: Pick<StepDirectory, "openInScopes"> };

export type Bounds = {
  /** Open steps that the policies no longer permit once the grant is made. */
  readonly closes: readonly string[];
  /** One of them is the parent of the step that is to be opened, which therefore can't be. */
  readonly closesParent: boolean;
  /** Whether the grant adds to what is known of the run, so that no other step may be opened meanwhile. */
  readonly isNew: boolean;
  /** What speaks against the parent. */
  readonly policies?: readonly string[];
};

/**
 * Which open steps a grant puts out of bounds: what a run may still do hangs on what it was granted, also in steps that
 * are open already. They are judged as if the grant had been made.
 *
 * @throws BrokerError LIMIT_EXCEEDED where more steps would end than one decision can name; and as `judgeStep` does
 */
export async function stepsOutOfBounds(
  opening: {
    readonly granted: Grant;
    readonly scopes: readonly FactScope[];
    readonly parent: Step | undefined;
    readonly replaces: string | undefined;
  },
  world: World,
  ports: BoundsPorts,
): Promise<Bounds> {
  const facts = withGrant(world.facts, opening.granted);
  // What one of the scopes was granted is from here on known of them all: the step connects them.
  const isNew = world.scopes.some((scope) => addsTo(scope, facts));
  if (world.policies.version === 0 || !isNew) return { closes: [], closesParent: false, isNew: false };
  const closes: string[] = [];
  const against: string[] = [];
  for (const step of ports.stepDirectory.openInScopes(opening.scopes)) {
    if (step.stepId === opening.replaces) continue;
    const asked = await judgeStep(step, { act: "judge", elements: step.grant }, world, ports, facts);
    if (isPermitted(asked, step.grant)) continue;
    closes.push(step.stepId);
    if (step.stepId !== opening.parent?.stepId) continue;
    const effects = [asked.answer.whole, ...asked.answer.elements].filter(({ effect }) => effect === "deny");
    against.push(...effects.flatMap(({ policies }) => policies));
  }
  if (closes.length > LIMITS.stepsClosedByDecisionMax) {
    throw new BrokerError(
      "LIMIT_EXCEEDED",
      `this grant would end ${closes.length} open steps of the run, and at most ${LIMITS.stepsClosedByDecisionMax} may end with one`,
    );
  }
  const closesParent = opening.parent !== undefined && closes.includes(opening.parent.stepId);
  return { closes, closesParent, isNew, policies: [...new Set(against)].sort() };
}
