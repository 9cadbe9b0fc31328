import { isWithin } from "../../src/domain/grant.ts";
import { sameProcess } from "../../src/domain/process.ts";
import type { AgentContent } from "../../src/domain/registration-entry.ts";
import { factScopesOf } from "../../src/domain/run-facts.ts";
import { audiencesOf, type OpenedStep } from "../../src/domain/step.ts";
import { addMicros, microsOf, type UnixMicros } from "../../src/domain/time.ts";
import { attemptsOf, callsLeftOf, entryInForce, type History, isLiveBut, promise } from "./model-history.ts";
import type { ModelPrincipals } from "./model-principals.ts";

/** What the events say of who may open which step, apart from what policies permit. */
export type ModelTerms = {
  /** Holds a step that is asked for against all of it. */
  asked(step: OpenedStep, at: UnixMicros): AgentContent;
  /** Holds a step against what its entries say now. */
  permitted(step: OpenedStep): AgentContent;
  bar(runId: string): void;
  isBarred(runId: string): boolean;
};

export function createModelTerms(history: History, principals: ModelPrincipals): ModelTerms {
  const { steps, credentials, policies } = history;
  const owners = new Map<string, string>();
  const barred = new Set<string>();
  const uses = new Map<string, number>();

  /** What the agent's entry says, all of which the step is within. */
  function permitted(step: OpenedStep): AgentContent {
    const { content } = entryInForce(history, step.agentEntryId);
    const opener = entryInForce(history, step.openerEntryId).content;
    const mayOpen =
      opener.kind === "runtime"
        ? opener.agents.includes(step.agent)
        : opener.kind === "agent" && opener.mayOpen && opener.name === step.agent;
    promise(mayOpen, "a step is opened by who may");
    promise(content.kind === "agent" && isWithin(step.grant, content.ceiling), "a grant is within the ceiling");
    promise(
      step.audiences.every((one) => content.audiences.includes(one)),
      "audiences are the entry's",
    );
    promise(step.executor.kind !== "any" || content.allowAnyExecutor, "any executor is allowed by the entry");
    return content;
  }

  function asked(step: OpenedStep, at: UnixMicros): AgentContent {
    const { runId, parentStepId } = step;
    const agent = permitted(step);
    const parent = parentStepId === undefined ? undefined : steps.get(parentStepId);
    promise(microsOf(step.expiresAt) >= addMicros(at, 10_000_000), "a step has ten seconds at least");
    if (parentStepId !== undefined) {
      promise(parent?.state === "OPEN", "a child is opened under an open parent");
      promise(
        isWithin(step.grant, callsLeftOf(history, parent.step)),
        "a child is granted no more than its parent has left",
      );
      promise(
        step.audiences.every((one) => audiencesOf(parent.step).includes(one)),
        "nor for an audience that its parent has not",
      );
      promise(step.expiresAt <= parent.step.expiresAt, "nor for longer");
      delegated(step, parent.step, at);
    }
    promise(step.depth === (parent === undefined ? 0 : parent.step.depth + 1) && step.depth <= 8, "depth is counted");
    promise(!barred.has(runId), "a run that was revoked stays barred");
    const owner = owners.get(runId) ?? step.openerEntryId;
    promise(owner === step.openerEntryId || parent?.step.runId === runId, "a run is its first opener's");
    owners.set(runId, owner);
    promise(
      attemptsOf(history, step).every((one) => one.step.attempt < step.attempt),
      "a later attempt has the higher number",
    );
    principals.opened(step);
    const { principal } = step;
    const inScopes = factScopesOf(step);
    const scopes = [
      `run:${runId}` as const,
      ...(parent === undefined ? [] : factScopesOf(parent.step)),
      ...(principal === undefined || policies.ratchet() === "run"
        ? []
        : [`principal:${principal.principalId}` as const]),
    ];
    promise(
      scopes.every((one) => inScopes.includes(one)),
      "a grant counts in its run, where its parent's counts, and with its principal's",
    );
    return agent;
  }

  /** Who opens a child has a part in the parent, or a token that was made for it. */
  function delegated(
    { delegationJti, openerEntryId, opener, grant }: OpenedStep,
    parent: OpenedStep,
    at: UnixMicros,
  ): void {
    if (delegationJti === undefined) {
      const isExecutor = parent.executor.kind === "process" && sameProcess(parent.executor.process, opener);
      promise(isExecutor || parent.openerEntryId === openerEntryId, "nobody else opens a child by the parent's id");
      return;
    }
    const token = [...credentials.values()].find(({ record }) => record.jti === delegationJti);
    const { record } = token ?? {};
    promise(token !== undefined && record?.delegation !== undefined, "a delegation token was recorded as one");
    promise(token.stepId === parent.stepId, "it opens below its own step");
    promise(record.delegation.runtimeEntryId === openerEntryId, "it is used by the runtime that it names alone");
    promise(!token.undelivered && isLiveBut(token, at), "nobody is let in by a token that is over, taken back or lost");
    promise(isWithin(grant, record.grant), "a child is granted no more than the token passes on");
    const used = uses.get(delegationJti) ?? 0;
    promise(used < record.delegation.usesMax, "no token is used more often than it says");
    uses.set(delegationJti, used + 1);
  }

  return { asked, permitted, bar: (runId) => void barred.add(runId), isBarred: (runId) => barred.has(runId) };
}
