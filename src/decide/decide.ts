import type { Decision } from "../domain/decision.ts";
import { sha256Hex } from "../domain/digest.ts";
import { type Grant, type GrantElement, isWithin } from "../domain/grant.ts";
import type { AgentEntry } from "../domain/registration-entry.ts";
import type { StepName } from "../domain/spiffe-id.ts";
import type { Step } from "../domain/step.ts";
import type { ElementAnswer, Policy, PolicyAnswer } from "../ports/policy.ts";

export type DecisionRequest = {
  readonly callerEntryId: string;
  readonly entry: AgentEntry;
  readonly name: StepName;
  readonly requested: Grant;
  readonly parent: Step | undefined;
  /** Grant what is permitted rather than refuse all for one element. */
  readonly allowPartial: boolean;
  readonly workflow: string | undefined;
  readonly purpose: string | undefined;
};

/** A decision without the members that only its recording adds. */
export type Decided = Omit<Decision, "decisionId" | "decidedAt" | "stepId" | "count"> & {
  readonly reason?: "POLICY_DENIED" | "DELEGATION_REFUSED";
};

/** Who refused an element first: each of these is asked only about what the ones before it permit. */
type Refuser = "ceiling" | "parent" | "policy";

/**
 * What a step may be granted: the request, within the entry's ceiling, within what the parent step holds, within what
 * policy permits. An element is granted or refused whole; none is ever widened or rewritten.
 *
 * @throws BrokerError of the policy port; the caller then opens nothing
 */
export async function decide(request: DecisionRequest, policy: Policy): Promise<Decided> {
  const { entry, name, requested, workflow, purpose } = request;
  const limited = requested.map((element) => limitOn(element, request));
  const answer = await policy.evaluate({
    act: "open",
    entry,
    requested: requested.filter((_, index) => limited[index] === undefined),
    runId: name.runId,
    step: name.step,
    ...(workflow === undefined ? {} : { workflow }),
    ...(purpose === undefined ? {} : { purpose }),
  });
  const answers = answer.elements[Symbol.iterator]();
  const refusers = limited.map((limit) => limit ?? refusedBy(answers.next().value));
  return decided(request, refusers, answer);
}

function limitOn(element: GrantElement, { entry, parent }: DecisionRequest): Refuser | undefined {
  if (!isWithin([element], entry.content.ceiling)) return "ceiling";
  return parent === undefined || isWithin([element], parent.grant) ? undefined : "parent";
}

/** An element that a policy says nothing of is refused. */
function refusedBy(answer: ElementAnswer | undefined): Refuser | undefined {
  return answer?.effect === "allow" ? undefined : "policy";
}

function decided(
  request: DecisionRequest,
  refusers: readonly (Refuser | undefined)[],
  { elements, policyDigest }: PolicyAnswer,
): Decided {
  const { entry, name, requested, allowPartial } = request;
  const granted = requested.filter((_, index) => refusers[index] === undefined);
  const refused = requested.filter((_, index) => refusers[index] !== undefined);
  const isAllowed = refused.length === 0 || (allowPartial && granted.length > 0);
  const onlyTheParentRefused = refusers.every((refuser) => refuser === undefined || refuser === "parent");
  const ofEntry = `${entry.entryId}@${entry.revision}`;
  return {
    act: "open",
    effect: isAllowed ? "allow" : "deny",
    ...(isAllowed ? {} : { reason: onlyTheParentRefused ? "DELEGATION_REFUSED" : "POLICY_DENIED" }),
    callerEntryId: request.callerEntryId,
    agent: entry.content.name,
    runId: name.runId,
    step: name.step,
    attempt: name.attempt,
    requested,
    granted: isAllowed ? granted : [],
    refused,
    determiningPolicies: [`ceiling:${ofEntry}`, ...new Set(elements.flatMap(({ policies }) => policies))],
    policyDigest: sha256Hex(`${ofEntry}\n${policyDigest}`),
  };
}
