import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Approval, ApprovalAnswer } from "../domain/approval.ts";
import type { Executor } from "../domain/executor.ts";
import type { StepName } from "../domain/spiffe-id.ts";
import { STEP_STATES, type Step, type StepState } from "../domain/step.ts";
import {
  type ApprovalAnswerSchema,
  ExecutorKind,
  StepState as StateMessage,
  type StepApprovalSchema,
  type StepNameSchema,
  type StepSchema,
} from "../gen/stint/v1/types_pb.js";
import { grantMessageOf } from "./grant-message.ts";
import { type ShownPrincipal, stepPrincipalMessageOf } from "./principal-message.ts";
import { processMessageOf } from "./process-message.ts";
import { durationOfSeconds, timestampOfMicros, timestampOfSeconds } from "./timestamps.ts";

const EXECUTOR_KINDS = {
  process: ExecutorKind.PROCESS,
  any: ExecutorKind.ANY,
  tree: ExecutorKind.TREE,
} as const satisfies Record<Executor["kind"], ExecutorKind>;

/**
 * A step as its readers see it.
 *
 * @param readers.processes - whether to name the opener's and the executor's process: for operators and the opener's
 *   own entry.
 * @param readers.principal - whom the step works for, where that is shown.
 */
export function stepMessageOf(
  step: Step,
  readers: { readonly processes: boolean; readonly principal?: ShownPrincipal },
): MessageInitShape<typeof StepSchema> {
  const { executor, approval } = step;
  return {
    stepId: step.stepId,
    name: stepNameMessageOf(step),
    agent: step.agent,
    spiffeId: step.spiffeId,
    state: StateMessage[step.state],
    workflow: step.workflow ?? "",
    purpose: step.purpose ?? "",
    grant: grantMessageOf(step.grant),
    audiences: [...step.audiences],
    openedAt: timestampOfMicros(step.openedAt),
    expiresAt: timestampOfSeconds(step.expiresAt),
    ...(step.leaseSeconds === undefined ? {} : { lease: durationOfSeconds(step.leaseSeconds) }),
    ...(step.leaseExpiresAt === undefined ? {} : { leaseExpiresAt: timestampOfMicros(step.leaseExpiresAt) }),
    parentStepId: step.parentStepId ?? "",
    delegationJti: step.delegationJti ?? "",
    ...(step.closedAt === undefined ? {} : { closedAt: timestampOfMicros(step.closedAt) }),
    closeReason: step.closeReason ?? "",
    closeDecisionId: step.closeDecisionId ?? "",
    decisionId: step.decisionId,
    ...(readers.processes ? { opener: processMessageOf(step.opener) } : {}),
    executorKind: EXECUTOR_KINDS[executor.kind],
    ...(readers.processes && executor.kind !== "any" ? { executor: processMessageOf(executor.process) } : {}),
    openedSequence: BigInt(step.openedSequence),
    closedSequence: BigInt(step.closedSequence ?? 0),
    ...(approval === undefined ? {} : { approval: approvalMessageOf(approval, readers) }),
    ...(readers.principal === undefined ? {} : { principal: stepPrincipalMessageOf(readers.principal) }),
  };
}

function approvalMessageOf(
  approval: Approval,
  readers: { readonly processes: boolean },
): MessageInitShape<typeof StepApprovalSchema> {
  const { role, policies, until, stepSeconds, requestDigest, requesters, answer } = approval;
  return {
    role,
    policies: [...policies],
    until: timestampOfSeconds(until),
    stepDuration: durationOfSeconds(stepSeconds),
    requestDigest,
    requesterUids: readers.processes ? [...requesters] : [],
    ...(answer === undefined ? {} : { answer: approvalAnswerMessageOf(answer, readers) }),
  };
}

export function approvalAnswerMessageOf(
  { approved, by, reason, at }: ApprovalAnswer,
  readers: { readonly processes: boolean },
): MessageInitShape<typeof ApprovalAnswerSchema> {
  const { entryId, uid } = by;
  // Of an operator elsewhere no user is known.
  const user = readers.processes && uid >= 0 ? { uid } : {};
  return { approved, entryId, reason, answeredAt: timestampOfMicros(at), ...user };
}

export function stepNameMessageOf(name: StepName): MessageInitShape<typeof StepNameSchema> {
  return { runId: name.runId, step: name.step, attempt: name.attempt };
}

/** The state a message names; `undefined` for a state that this version does not know, which counts as closed. */
export function stepStateOf(state: StateMessage): StepState | undefined {
  return STEP_STATES.find((known) => StateMessage[known] === state);
}

export function stepStateMessageOf(state: StepState): StateMessage {
  return StateMessage[state];
}
