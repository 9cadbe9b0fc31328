import type { Decision } from "../domain/decision.ts";
import { sha256Hex } from "../domain/digest.ts";
import { divide, type Grant } from "../domain/grant.ts";
import type { AgentEntry } from "../domain/registration-entry.ts";
import type { StepName } from "../domain/spiffe-id.ts";
import type { Step } from "../domain/step.ts";
import type { Policy } from "../ports/policy.ts";

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

/** A decision but for what only its recording adds. */
export type Decided = Omit<Decision, "decisionId" | "decidedAt" | "stepId" | "count"> & {
  readonly reason?: "POLICY_DENIED" | "DELEGATION_REFUSED";
};

/**
 * What a step may be granted: the request, within the entry's ceiling, within what its parent holds, within what policy
 * permits. An element is granted or refused whole; none is ever widened or rewritten.
 *
 * @throws BrokerError of the policy port; the caller then opens nothing
 */
export async function decide(request: DecisionRequest, policy: Policy): Promise<Decided> {
  const { content } = request.entry;
  const underCeiling = divide(request.requested, content.ceiling);
  const underParent =
    request.parent === undefined
      ? { permitted: underCeiling.permitted, refused: [] }
      : divide(underCeiling.permitted, request.parent.grant);
  const answer = await policy.evaluate({
    act: "open",
    entry: request.entry,
    requested: underParent.permitted,
    runId: request.name.runId,
    step: request.name.step,
    ...(request.workflow === undefined ? {} : { workflow: request.workflow }),
    ...(request.purpose === undefined ? {} : { purpose: request.purpose }),
  });

  // A policy answers with elements of what it was asked; anything else it might say is not granted.
  const granted = underParent.permitted.filter((element) => answer.permitted.includes(element));
  const refused = request.requested.filter((element) => !granted.includes(element));
  const isAllowed = refused.length === 0 || (request.allowPartial && granted.length > 0);
  const onlyTheParentRefused =
    underCeiling.refused.length === 0 && refused.every((one) => underParent.refused.includes(one));

  return {
    act: "open",
    effect: isAllowed ? "allow" : "deny",
    ...(isAllowed ? {} : { reason: onlyTheParentRefused ? "DELEGATION_REFUSED" : "POLICY_DENIED" }),
    callerEntryId: request.callerEntryId,
    agent: content.name,
    runId: request.name.runId,
    step: request.name.step,
    attempt: request.name.attempt,
    requested: request.requested,
    granted: isAllowed ? granted : [],
    refused,
    determiningPolicies: [`ceiling:${request.entry.entryId}@${request.entry.revision}`, ...answer.determiningPolicies],
    policyDigest: sha256Hex(`${request.entry.entryId}@${request.entry.revision}\n${answer.policyDigest}`),
  };
}
