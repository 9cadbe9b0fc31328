import { layerOf } from "../decide/recorded-request.ts";
import type { Decision } from "../domain/decision.ts";
import { BrokerError } from "../domain/errors.ts";
import { divide, type GrantElement } from "../domain/grant.ts";
import { POLICY_ACTS, type PolicyAnswer, type PolicyEffect, type PolicyEngine } from "../ports/policy-engine.ts";
import { passingChanges } from "./changes.ts";
import type { ExplainedElement, ExplainedPolicy, Explanation } from "./explanation.ts";
import { createTrial, isRefusal } from "./passing.ts";
import { type Recorded, type RecordedPorts, recordedDecision } from "./recorded.ts";

export type ExplainPorts = RecordedPorts & {
  /** One of its own, so that explaining never delays a decision. */
  readonly engine: Pick<PolicyEngine, "load" | "unload" | "evaluate">;
};

/**
 * Why a decision came out as it did, and what would have passed instead. It is asked again, on what is recorded: a policy
 * has no memory, and the set that decided is kept.
 *
 * @throws BrokerError as `recordedDecision` does; NOT_SERVING where the engine can't answer
 */
export async function explainDecision(decisionId: string, ports: ExplainPorts): Promise<Explanation> {
  const recorded = await recordedDecision(decisionId, ports);
  const again = await askedAgain(recorded, ports);
  const elements = elementsOf(recorded, again.answer);
  const changes = await changesOf(recorded, again, elements, ports);
  const { decision, request, principal, set } = recorded;
  const notAsked = recorded.notAsked ?? again.notAsked;
  return {
    decision,
    ...(request === undefined ? {} : { request }),
    ...(principal === undefined ? {} : { principal }),
    ...(set === undefined ? {} : { set: { version: set.version, root: set.root } }),
    ...(notAsked === undefined ? {} : { notAsked }),
    ...(again.answer === undefined ? {} : { whole: again.answer.whole }),
    elements,
    policies: policiesOf(recorded, again.answer),
    closes: await closedBy(decision, ports),
    endsParent: endedParent(decision),
    ...changes,
  };
}

/** What the recorded set says when it is asked again. */
type Again = {
  readonly answer?: PolicyAnswer;
  readonly notAsked?: string;
};

async function askedAgain(recorded: Recorded, ports: ExplainPorts): Promise<Again> {
  const { request, set } = recorded;
  if (request === undefined || set === undefined) return {};
  try {
    await ports.engine.load(set.root, set);
  } catch (thrown) {
    if (!isInvalid(thrown)) throw thrown;
    return { notAsked: "the recorded policies are not accepted by this version of the broker" };
  }
  try {
    return { answer: await ports.engine.evaluate(set.root, request) };
  } catch (thrown) {
    if (!isRefusal(thrown)) throw thrown;
    return { notAsked: (thrown as BrokerError).message };
  }
}

function isInvalid(thrown: unknown): boolean {
  return thrown instanceof BrokerError && thrown.code === "INVALID_FIELD";
}

function permitsAll({ whole, elements }: PolicyAnswer): boolean {
  return [whole, ...elements].every(({ effect }) => effect === "allow");
}

function elementsOf({ decision, ceiling }: Recorded, answer: PolicyAnswer | undefined): readonly ExplainedElement[] {
  const { requested, situation, reason } = decision;
  const answers = (answer?.elements ?? [])[Symbol.iterator]();
  // All elements together, since they draw on the same budgets.
  const within = ceiling === undefined ? undefined : new Set(divide(requested, ceiling).permitted);
  const limits = requested.map((element, index) => {
    if (situation !== undefined) return layerOf(situation, index);
    return within?.has(element) === false ? "ceiling" : undefined;
  });
  const refused = refusedBeside(decision, limits);
  return requested.map((element, index): ExplainedElement => {
    const limit = limits[index];
    if (limit !== undefined) return { element, refusedBy: limit };
    const effect: PolicyEffect | undefined = answers.next().value;
    const isRefused = refused.has(index);
    if (effect !== undefined) return { element, ...(isRefused ? { refusedBy: "policy" as const } : {}), effect };
    if (!isRefused) return { element };
    if (situation !== undefined) return { element, refusedBy: "policy" };
    const isOverParent = isOverGrant(decision) && (reason === "DELEGATION_REFUSED" || within !== undefined);
    return { element, refusedBy: isOverParent ? "parent" : "unknown" };
  });
}

/** Places of what was refused apart from what has a limit above it. Equal elements are told apart by how many there are. */
function refusedBeside({ requested, refused }: Decision, limits: readonly unknown[]): ReadonlySet<number> {
  const left = refused.map((element) => JSON.stringify(element));
  const isTaken = (element: GrantElement) => {
    const place = left.indexOf(JSON.stringify(element));
    return place !== -1 && left.splice(place, 1).length === 1;
  };
  for (const [index, element] of requested.entries()) if (limits[index] !== undefined) isTaken(element);
  const places = requested.flatMap((element, index) =>
    limits[index] === undefined && isTaken(element) ? [index] : [],
  );
  return new Set(places);
}

/** What was asked for would have put the parent out of bounds, so that nothing was granted. */
function endedParent({ situation }: Decision): boolean {
  return situation?.closesParent === true;
}

/** Whether what was asked for is what was refused, and not who asked, a token or a budget. Where nothing determined it, no ceiling was looked at. */
function isOverGrant({ act, reason = "POLICY_DENIED", situation, determiningPolicies }: Decision): boolean {
  return (
    POLICY_ACTS.some((one) => one === act) &&
    ["POLICY_DENIED", "DELEGATION_REFUSED"].includes(reason) &&
    (situation !== undefined || determiningPolicies.length > 0)
  );
}

type Told = Pick<Explanation, "changes" | "unsearched">;

async function changesOf(
  recorded: Recorded,
  again: Again,
  elements: readonly ExplainedElement[],
  ports: ExplainPorts,
): Promise<Told> {
  const { decision, request } = recorded;
  if (decision.effect === "allow") return { changes: [] };
  if (!isOverGrant(decision)) return { changes: [], unsearched: "it was refused before any policy was asked" };
  if (decision.situation !== undefined && again.answer === undefined) {
    return { changes: [], unsearched: "nothing can be verified without asking the policies again" };
  }
  const isExplained =
    again.answer === undefined || !permitsAll(again.answer) || endedParent(decision) || elements.some(isLimited);
  if (request !== undefined && !isExplained) {
    return { changes: [], unsearched: "the recorded policies permit it: somebody else has refused it as well" };
  }
  if (isDecidedElsewhereToo(recorded)) {
    return {
      changes: [],
      unsearched: "an engine outside of the broker was asked too, and what it would say is not known",
    };
  }
  const refused = elements.flatMap(({ refusedBy }, index) => (refusedBy === undefined ? [] : [index]));
  const { changes, isWholeSearch } = await passingChanges(recorded, refused, createTrial(recorded, ports));
  return { changes, ...(isWholeSearch ? {} : { unsearched: "there are more changes than were tried" }) };
}

/** What names a ceiling, a token or a step's grant is no policy; every other name that the set does not have is another engine's. */
function isDecidedElsewhereToo({ decision, set }: Recorded): boolean {
  const own = new Set(set?.policies.map(({ policyId }) => policyId));
  const named = [...decision.determiningPolicies, ...(decision.policyErrors ?? [])];
  return set !== undefined && named.some((name) => !own.has(name) && !/^(ceiling|delegation|grant):/.test(name));
}

function isLimited({ refusedBy }: ExplainedElement): boolean {
  return refusedBy === "ceiling" || refusedBy === "parent";
}

function policiesOf({ decision, set }: Recorded, answer: PolicyAnswer | undefined): readonly ExplainedPolicy[] {
  const asked = answer === undefined ? [] : [answer.whole, ...answer.elements];
  const named = new Set([
    ...decision.determiningPolicies,
    ...(decision.policyErrors ?? []),
    ...asked.flatMap(({ policies, errors = [] }) => [...policies, ...errors]),
  ]);
  return [...named].sort().map((policyId): ExplainedPolicy => {
    const found = set?.policies.find((one) => one.policyId === policyId);
    if (found === undefined) return { policyId };
    const { file, line, text } = found;
    return { policyId, source: { file, line, text } };
  });
}

async function closedBy({ closes = [] }: Decision, { steps }: ExplainPorts): Promise<Explanation["closes"]> {
  const closed = await Promise.all(closes.map((stepId) => steps.step(stepId)));
  return closed.flatMap((step) => {
    if (step === undefined) return [];
    const { stepId, runId, step: name, attempt, agent } = step;
    return [{ stepId, runId, step: name, attempt, agent }];
  });
}
