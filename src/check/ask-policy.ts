import { aroundStep, isPermitted, type JudgePorts, judgeStep } from "../decide/judge-step.ts";
import { withoutCounts } from "../decide/world.ts";
import { sha256Hex } from "../domain/digest.ts";
import type { GrantElement } from "../domain/grant.ts";
import type { AgentEntry } from "../domain/registration-entry.ts";
import type { Step } from "../domain/step.ts";
import type { CallPolicyAnswer } from "./policy-denied.ts";

/** One call, within what its step was granted. */
export type CallQuestion = { readonly step: Step; readonly agent: AgentEntry; readonly use: GrantElement };

/**
 * What the policies in force say of one call, on the state of the world as it is now.
 *
 * @throws BrokerError as `aroundStep` and `judgeStep` do
 */
export async function askPolicyOnCall(
  { step, agent, use }: CallQuestion,
  ports: JudgePorts,
): Promise<CallPolicyAnswer> {
  const world = await aroundStep(step, ports);
  const asked = await judgeStep(step, { act: "call", elements: [use] }, world, ports);
  const { whole, elements, countsSteps } = asked.answer;
  const effects = [whole, ...elements];
  const errors = sorted(effects.flatMap((effect) => effect.errors ?? []));
  return {
    effect: isPermitted(asked, [use]) ? "allow" : "deny",
    determiningPolicies: sorted(effects.flatMap(({ policies }) => policies)),
    policyDigest: sha256Hex(`${agent.entryId}@${agent.revision}\n${world.policies.root}`),
    ...(errors.length === 0 ? {} : { policyErrors: errors }),
    ...(asked.situation === undefined ? {} : { situation: asked.situation }),
    world: countsSteps === true ? world.guard : withoutCounts(world.guard),
  };
}

function sorted(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)].sort();
}
