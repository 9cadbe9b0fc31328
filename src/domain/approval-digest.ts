import { canonicalText } from "./canonical-json.ts";
import { sha256Hex } from "./digest.ts";
import { formatExecutor } from "./executor.ts";
import { formatProcess } from "./process.ts";
import type { Step } from "./step.ts";

type RequestedStep = Pick<
  Step,
  | "stepId"
  | "runId"
  | "step"
  | "attempt"
  | "agent"
  | "agentEntryId"
  | "openerEntryId"
  | "opener"
  | "executor"
  | "spiffeId"
  | "grant"
  | "audiences"
  | "workflow"
  | "purpose"
  | "leaseSeconds"
  | "parentStepId"
  | "depth"
  | "principal"
  | "factScopes"
  | "delegationJti"
>;

/**
 * A digest of all that is approved with a step: who asked, for what, executed by whom, for how long. An approval names
 * the digest of what was looked at, so that nothing else can be approved in its place.
 *
 * @param stepSeconds - how long the step may take once it is approved.
 * @returns SHA-256, hexadecimal
 */
export function approvalDigestOf(step: RequestedStep, stepSeconds: number): string {
  const { opener, executor, stepId, runId, step: name, attempt, agent, agentEntryId, openerEntryId, spiffeId } = step;
  const { grant, audiences, workflow, purpose, leaseSeconds, parentStepId, depth, principal, factScopes } = step;
  const { delegationJti } = step;
  const always = {
    stepId,
    runId,
    name,
    attempt,
    agent,
    agentEntryId,
    openerEntryId,
    spiffeId,
    grant,
    audiences,
    depth,
  };
  return sha256Hex(
    canonicalText({
      ...always,
      stepSeconds,
      opener: formatProcess(opener),
      executor: formatExecutor(executor) ?? "any",
      ...(workflow === undefined ? {} : { workflow }),
      ...(purpose === undefined ? {} : { purpose }),
      ...(leaseSeconds === undefined ? {} : { leaseSeconds }),
      ...(parentStepId === undefined ? {} : { parentStepId }),
      ...(principal === undefined ? {} : { principalId: principal.principalId }),
      ...(factScopes === undefined ? {} : { factScopes }),
      ...(delegationJti === undefined ? {} : { delegationJti }),
    }),
  );
}
