import { heldBackBy } from "../decide/held-back.ts";
import { aroundStep, isPermitted, type JudgePorts, judgeStep } from "../decide/judge-step.ts";
import { guardOf } from "../decide/world.ts";
import type { Approved } from "../domain/approval.ts";
import type { GrantElement } from "../domain/grant.ts";
import { policyDigestOf } from "../domain/policy-set.ts";
import type { AgentEntry } from "../domain/registration-entry.ts";
import { sortedSet } from "../domain/sorted-set.ts";
import type { Step } from "../domain/step.ts";
import type { CallPolicyAnswer } from "./policy-denied.ts";

/** One call, within what its step was granted. */
export type CallQuestion = {
  readonly step: Step;
  readonly agent: AgentEntry;
  readonly use: GrantElement;
  /** The role that has approved this very call, and the policies that it was asked for. */
  readonly approved?: Approved;
};

/**
 * What the policies in force say of one call, on the state of the world as it is now.
 *
 * @throws BrokerError as `aroundStep` and `judgeStep` do
 */
export async function askPolicyOnCall(
  { step, agent, use, approved }: CallQuestion,
  ports: JudgePorts,
): Promise<CallPolicyAnswer> {
  const world = await aroundStep(step, ports);
  const question = { act: "call", elements: [use], ...(approved === undefined ? {} : { approved }) } as const;
  const asked = await judgeStep(step, question, world, ports);
  const { whole, elements, countsSteps } = asked.answer;
  const effects = [whole, ...elements];
  const heldBack = heldBackBy(effects);
  const errors = sortedSet(effects.flatMap((effect) => effect.errors ?? []));
  return {
    effect: isPermitted(asked, [use]) ? "allow" : "deny",
    determiningPolicies: sortedSet(effects.flatMap(({ policies }) => policies)),
    policyDigest: policyDigestOf(agent, world.policies.root),
    ...(errors.length === 0 ? {} : { policyErrors: errors }),
    ...(asked.situation === undefined ? {} : { situation: asked.situation }),
    ...(heldBack === undefined ? {} : { heldBack }),
    world: guardOf(world, countsSteps === true),
  };
}
