import type { Decision } from "../domain/decision.ts";
import { sha256Hex } from "../domain/digest.ts";
import { BrokerError } from "../domain/errors.ts";
import type { Grant } from "../domain/grant.ts";
import { ID_RANDOM_BYTES, newId } from "../domain/ids.ts";
import { sortedSet } from "../domain/sorted-set.ts";
import type { Step } from "../domain/step.ts";
import type { JudgedStep } from "../ports/policy-acts.ts";
import type { PolicyEffect } from "../ports/policy-engine.ts";
import type { Randomness } from "../ports/randomness.ts";
import type { Asked } from "./ask-policies.ts";
import { aroundSteps, isPermitted, type JudgePorts, judgeStep, type LookAround } from "./judge-step.ts";
import { guardOf, type World } from "./world.ts";

export type JudgeStepsPorts = JudgePorts & { readonly random: Randomness };

/** A step with what became of judging it: what is to be recorded, or why it could not be judged now. */
export type Judgement = { readonly step: Step } & ({ readonly judged: JudgedStep } | { readonly failure: unknown });

/** Each waits for the engine's thread, and whoever opens a step meanwhile waits for no more than these. */
const JUDGED_AT_ONCE = 16;

/** Judges open steps on the world as it is now. Never throws: one that can't be judged does not hold up the others. */
export async function judgeSteps(steps: readonly Step[], ports: JudgeStepsPorts): Promise<readonly Judgement[]> {
  const judgements: Judgement[] = [];
  const around = aroundSteps(ports);
  const rest = steps[Symbol.iterator]();
  const lane = async () => {
    for (const step of rest) judgements.push(await judgementOf(step, around, ports));
  };
  await Promise.all(Array.from({ length: JUDGED_AT_ONCE }, lane));
  return judgements;
}

async function judgementOf(step: Step, around: LookAround, ports: JudgeStepsPorts): Promise<Judgement> {
  try {
    return { step, judged: await judge(step, around, ports) };
  } catch (failure) {
    return { step, failure };
  }
}

async function judge(step: Step, around: LookAround, ports: JudgeStepsPorts): Promise<JudgedStep> {
  const { stepId, grant } = step;
  const world = await around(step);
  const asked = await judgeStep(step, { act: "judge", elements: grant }, world, ports).catch(unaskable);
  const denial = asked instanceof BrokerError ? tooLarge(step, asked) : denied(step, asked);
  // What could not be asked hangs on everything.
  const isCounting = asked instanceof BrokerError || asked.answer.countsSteps === true;
  const decidedOn = { entries: [], world: guardOf(world, isCounting) };
  if (denial === undefined) return { stepId, decidedOn };
  return { stepId, decidedOn, denial: { ...denial, ...standing(step, world, ports) } };
}

/** What is too large to be asked is denied, as it is where a step is to be opened; any other failure may pass. */
function unaskable(thrown: unknown): BrokerError {
  if (thrown instanceof BrokerError && thrown.code === "LIMIT_EXCEEDED") return thrown;
  throw thrown;
}

type Denied = Pick<Decision, "reason" | "message" | "refused" | "determiningPolicies" | "policyErrors" | "situation">;

function tooLarge({ grant }: Step, { code, message }: BrokerError): Denied {
  return { reason: code, message, refused: grant, determiningPolicies: [] };
}

/** @returns `undefined` where the step may go on */
function denied({ grant }: Step, asked: Asked): Denied | undefined {
  if (isPermitted(asked, grant)) return undefined;
  const { whole, elements } = asked.answer;
  const refused = whole.effect === "deny" ? grant : grant.filter((_, index) => elements[index]?.effect !== "allow");
  const against = [whole, ...elements].filter(({ effect }) => effect === "deny");
  const errors = sortedSet(against.flatMap((effect) => effect.errors ?? []));
  return {
    reason: "POLICY_DENIED",
    message: errors.length === 0 ? "policy no longer permits the step" : "a policy could not be evaluated",
    refused,
    determiningPolicies: sortedSet(against.flatMap(({ policies }: PolicyEffect) => policies)),
    ...(errors.length === 0 ? {} : { policyErrors: errors }),
    ...(asked.situation === undefined ? {} : { situation: asked.situation }),
  };
}

function standing(step: Step, world: World, { clock, random }: JudgeStepsPorts) {
  const now = clock.now();
  const { stepId, agent, runId, step: name, attempt, openerEntryId, grant } = step;
  const nothing: Grant = [];
  return {
    decisionId: newId("decision", now, random.bytes(ID_RANDOM_BYTES)),
    act: "judge",
    effect: "deny",
    decidedAt: now,
    callerEntryId: openerEntryId,
    agent,
    runId,
    step: name,
    attempt,
    stepId,
    requested: grant,
    granted: nothing,
    policyDigest: sha256Hex(world.policies.root),
    count: 1,
  } as const;
}
