import type { Decision } from "../../src/domain/decision.ts";
import { isWithin } from "../../src/domain/grant.ts";
import type { LedgerEvent, StepApproved, StepClosed, StepPending } from "../../src/domain/ledger-event.ts";
import { sameProcess } from "../../src/domain/process.ts";
import type { AgentContent } from "../../src/domain/registration-entry.ts";
import { factScopesOf } from "../../src/domain/run-facts.ts";
import { audiencesOf, type OpenedStep } from "../../src/domain/step.ts";
import { addMicros, microsOf, type UnixMicros } from "../../src/domain/time.ts";
import {
  approvalOf,
  entryInForce,
  type History,
  isLiveBut,
  isStanding,
  type ModelStep,
  note,
  openBeside,
  openInEachScope,
  promise,
} from "./model-history.ts";
import type { ModelPrincipals } from "./model-principals.ts";

const UNTOUCHED = { held: false, approvedBy: undefined, closed: undefined } as const;

/** What the events say of how steps come to be open. */
export type ModelOpenings = {
  open(step: OpenedStep, at: UnixMicros, sequence: number): void;
  /** @param before - the type of the event before. */
  wait(event: StepPending, before: LedgerEvent["type"] | undefined, sequence: number): void;
  approve(event: StepApproved, sequence: number): void;
  bar(runId: string): void;
  /** A step that policies put out of bounds, by a grant that is recorded next. */
  closing(event: StepClosed): void;
  /** Holds every open step against what its entries permit now. */
  checkPermitted(): void;
};

export function createModelOpenings(history: History, principals: ModelPrincipals): ModelOpenings {
  const { steps, credentials, decisions, policies, facts } = history;
  const owners = new Map<string, string>();
  const barred = new Set<string>();
  const uses = new Map<string, number>();
  /** Steps that the act which is being told has put out of bounds, as they were. */
  const outOfBounds: { readonly one: ModelStep; readonly decisionId: string; readonly stepsOpen: number }[] = [];

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

  function asked(step: OpenedStep, at: UnixMicros, sequence: number): AgentContent {
    const { runId, parentStepId } = step;
    const agent = permitted(step);
    const parent = parentStepId === undefined ? undefined : steps.get(parentStepId);
    promise(microsOf(step.expiresAt) >= addMicros(at, 10_000_000), "a step has ten seconds at least");
    if (parentStepId !== undefined) {
      promise(parent?.state === "OPEN", "a child is opened under an open parent");
      promise(isWithin(step.grant, parent.step.grant), "a child is granted no more than its parent");
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
      attemptsOf(step).every((one) => one.step.attempt < step.attempt),
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
      `a grant counts in its run, where its parent's counts, and with its principal's (${sequence})`,
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

  function attemptsOf({ runId, step: name }: OpenedStep) {
    return [...steps.values()].filter(({ step }) => step.runId === runId && step.step === name);
  }

  /** Counts what is granted; no open step that was judged by these policies may be out of bounds then. */
  function granted(step: OpenedStep): void {
    const scopes = factScopesOf(step);
    facts.grant(scopes, step.grant);
    for (const { one, decisionId, stepsOpen } of outOfBounds.splice(0)) {
      promise(decisionId === step.decisionId, "what a grant puts out of bounds ends in the act that grants it");
      const classes = facts.classesOf([...scopes, ...factScopesOf(one.step)]);
      const at = decisions.get(decisionId)?.situation?.at ?? step.openedAt;
      const question = { at, stepsOpen: stepsOpen + scopes.length, classes, approved: approvalOf(one) };
      promise(!policies.permits(one.step, question), "a grant ends only what it puts out of bounds");
    }
    for (const { step: one, judged } of openSteps()) {
      if (judged < policies.activatedAt()) continue;
      const isBeyond = policies.isOutOfBounds(one, facts.classesOf(factScopesOf(one)));
      promise(!isBeyond, "no open step is out of bounds of what was granted around it");
    }
  }

  const openSteps = () => [...steps.values()].filter(({ state }) => state === "OPEN");

  function isPermitted(step: OpenedStep, { decidedAt }: Decision, approved?: string): boolean {
    const stepsOpen = openBeside(history, { step }).length;
    const classes = facts.classesOf(factScopesOf(step));
    return policies.permits(step, { at: decidedAt, stepsOpen, classes, act: "open", approved });
  }

  const latestEnd = ({ stepSecondsMax }: AgentContent, at: UnixMicros) =>
    addMicros(at, (stepSecondsMax + 1) * 1_000_000);

  const leaseEnd = ({ leaseSeconds }: OpenedStep, at: UnixMicros) =>
    leaseSeconds === undefined ? undefined : addMicros(at, leaseSeconds * 1_000_000);

  return {
    open(step, at, sequence) {
      const { stepId, decisionId } = step;
      const agent = asked(step, at, sequence);
      promise(microsOf(step.expiresAt) <= latestEnd(agent, at), "nor more than allowed");
      promise(
        attemptsOf(step).every((one) => !isStanding(one)),
        "one attempt of a step is open",
      );
      const decision = decisions.get(decisionId);
      promise(decision?.effect === "allow" && decision.stepId === stepId, "a step is opened by an allow of its own");
      promise(isWithin(step.grant, decision.requested), "a grant is within the request");
      promise(isPermitted(step, decision), "what is opened is permitted by the policies in force");
      const leaseExpiresAt = leaseEnd(step, at);
      steps.set(stepId, { step, state: "OPEN", approval: undefined, leaseExpiresAt, judged: sequence, ...UNTOUCHED });
      granted(step);
      if (step.delegationJti !== undefined) note(history, "opened by a token");
      if (step.principal !== undefined) note(history, "opened for a principal");
    },
    wait({ step, approval, at }, before, sequence) {
      asked(step, at, sequence);
      const { stepId, decisionId } = step;
      const decision = decisions.get(decisionId);
      promise(decision?.effect === "deny" && decision.stepId === stepId, "what waits was denied");
      promise(decision.granted.length === 0, "and is granted nothing");
      promise(before === "decision.made", "nor takes anybody's place");
      promise(!isPermitted(step, decision), "what waits is not permitted by itself");
      promise(isPermitted(step, decision, approval.role), "the approval alone is missing");
      promise(step.expiresAt === approval.until, "it waits until its approval comes too late");
      const waiting = { state: "PENDING_APPROVAL", leaseExpiresAt: undefined, judged: sequence } as const;
      steps.set(stepId, { step, approval, ...waiting, ...UNTOUCHED });
    },
    approve({ stepId, decisionId, expiresAt, by, at }, sequence) {
      const one = steps.get(stepId);
      promise(
        one?.state === "PENDING_APPROVAL" && one.approval !== undefined,
        "what is approved waits, so once at most",
      );
      const { approval } = one;
      const step = { ...one.step, decisionId, expiresAt };
      const agent = permitted(step);
      const { content } = entryInForce(history, by.entryId);
      promise(content.kind === "operator" && content.role === "approver", "approvers approve, and nobody else");
      promise(!approval.requesters.includes(by.uid), "nobody approves what they asked for");
      promise(microsOf(approval.until) > at, "an approval does not come too late");
      promise(microsOf(expiresAt) <= latestEnd(agent, at), "nor lasts what is approved too long");
      const parent = step.parentStepId === undefined ? undefined : steps.get(step.parentStepId);
      promise(parent === undefined || parent.state === "OPEN", "the parent of what is approved is open");
      promise(parent === undefined || expiresAt <= parent.step.expiresAt, "and lasts as long");
      promise(parent === undefined || isWithin(step.grant, parent.step.grant), "and has as much");
      promise(!barred.has(step.runId), "what is approved is in no run that was revoked");
      principals.approved(step);
      const others = attemptsOf(step).filter((other) => other !== one);
      promise(!others.some(isStanding), "what is approved has taken the place of other attempts");
      promise(!others.some((other) => other.step.attempt > step.attempt), "and is the newest attempt");
      const decision = decisions.get(decisionId);
      promise(decision?.effect === "allow" && decision.stepId === stepId, "an approval is an allow of its own");
      promise(
        isPermitted(step, decision, approval.role),
        "what is approved is permitted by the policies in force then",
      );
      Object.assign(one, { step, state: "OPEN", approvedBy: by, judged: sequence, leaseExpiresAt: leaseEnd(step, at) });
      granted(step);
    },
    bar: (runId) => void barred.add(runId),
    closing({ stepId, decisionId = "" }) {
      const root = steps.get(stepId);
      if (root === undefined || decisions.get(decisionId)?.effect !== "allow") return;
      promise(decisions.get(decisionId)?.closes?.includes(stepId) === true, "a grant ends what its decision names");
      outOfBounds.push({ one: root, decisionId, stepsOpen: openInEachScope(history, root) });
    },
    checkPermitted() {
      for (const { step } of openSteps()) permitted(step);
    },
  };
}
