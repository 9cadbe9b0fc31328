import { approvalDigestOf } from "../domain/approval-digest.ts";
import { answerRefusal, tooLateToApprove } from "../domain/awaiting-approval.ts";
import { BrokerError, errorOf, invalidField } from "../domain/errors.ts";
import { type AgentEntry, isOfKind, type RegistrationEntry } from "../domain/registration-entry.ts";
import { hasExpired, permits, type Step } from "../domain/step.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../domain/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { EntryDirectory, StepDirectory } from "../ports/directories.ts";
import { mayOpenFor } from "./kin.ts";
import { checkAudiences } from "./terms.ts";

/** A step that waits for approval. */
export type WaitingStep = Step & { readonly approval: NonNullable<Step["approval"]> };

/** On what terms a step that waited may be opened, before anything is decided about its grant. */
export type ApprovalTerms = {
  readonly step: WaitingStep;
  readonly agent: AgentEntry;
  readonly opener: RegistrationEntry;
  readonly parent: Step | undefined;
  readonly expiresAt: UnixSeconds;
};

export type ApprovalTermsPorts = {
  readonly entries: Pick<EntryDirectory, "byId">;
  readonly stepDirectory: Pick<StepDirectory, "byId">;
  readonly clock: Pick<Clock, "now">;
};

/**
 * The step, if it waits and its request is the one that was looked at.
 *
 * @throws BrokerError STEP_CLOSED, STEP_EXISTS, INVALID_FIELD `request_digest`
 */
export function checkRequest(
  { requestDigest }: { readonly requestDigest: string },
  step: Step,
  { clock }: Pick<ApprovalTermsPorts, "clock">,
): WaitingStep {
  const refusal = answerRefusal(step);
  if (refusal !== undefined) throw errorOf(refusal);
  const { approval } = step;
  if (approval === undefined) throw new RangeError("a step that waits, and for nothing");
  if (hasExpired(approval.until, clock.now())) throw errorOf(tooLateToApprove());
  // Computed from the step as it is read now: a row that was changed since is another request.
  if (requestDigest !== approvalDigestOf(step, approval.stepSeconds) || requestDigest !== approval.requestDigest) {
    throw invalidField("request_digest", "that of the request that waits");
  }
  return { ...step, approval };
}

/**
 * Who opened, for whom, under which parent, until when: as these are now.
 *
 * @throws BrokerError NOT_ENTITLED, DELEGATION_REFUSED, AUDIENCE_INVALID
 */
export async function approvalTermsOf(step: WaitingStep, ports: ApprovalTermsPorts): Promise<ApprovalTerms> {
  const agent = inForce(ports.entries.byId(step.agentEntryId));
  const opener = inForce(ports.entries.byId(step.openerEntryId));
  if (!isOfKind(agent, "agent") || !mayOpenFor(opener, step.agent)) {
    throw new BrokerError("NOT_ENTITLED", "whoever asked may not open steps for this agent any more");
  }
  const parent = step.parentStepId === undefined ? undefined : await ports.stepDirectory.byId(step.parentStepId);
  if (step.parentStepId !== undefined && !permits(parent?.state ?? "")) {
    throw new BrokerError("DELEGATION_REFUSED", "the parent step is closed");
  }
  checkAudiences(step.audiences, agent, parent === undefined ? undefined : { step: parent });
  if (step.executor.kind === "any" && !agent.content.allowAnyExecutor) {
    throw new BrokerError("NOT_ENTITLED", "the agent's entry does not allow any executor any more");
  }
  if (step.executor.kind === "tree" && agent.content.allowExecutorTree !== true) {
    throw new BrokerError("NOT_ENTITLED", "the agent's entry does not allow an executor's tree any more");
  }
  const stepSeconds = Math.min(step.approval.stepSeconds, agent.content.stepSecondsMax);
  const expiresAt = addSeconds(secondsOf(ports.clock.now()), stepSeconds);
  const latest = Math.min(expiresAt, parent?.expiresAt ?? expiresAt) as UnixSeconds;
  return { step, agent, opener, parent, expiresAt: latest };
}

function inForce(entry: RegistrationEntry | undefined): RegistrationEntry {
  if (entry === undefined || entry.disabled) {
    throw new BrokerError("NOT_ENTITLED", "an entry by which the step was asked for is no longer in force");
  }
  return entry;
}
