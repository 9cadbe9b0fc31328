import type { OperatorActor } from "../../src/domain/actor.ts";
import type { Approved, PendingApproval } from "../../src/domain/approval.ts";
import type { Decision } from "../../src/domain/decision.ts";
import type { Grant } from "../../src/domain/grant.ts";
import type { IssuanceRecord } from "../../src/domain/issuance.ts";
import type { AgentContent, RegistrationEntry } from "../../src/domain/registration-entry.ts";
import type { RevocationReason } from "../../src/domain/revocation.ts";
import type { OpenedStep } from "../../src/domain/step.ts";
import { isClosed, type StepState } from "../../src/domain/step.ts";
import { addMicros, microsOf, type UnixMicros } from "../../src/domain/time.ts";
import { createModelFacts, type ModelFacts } from "./model-facts.ts";
import { createModelPolicies, type ModelPolicies } from "./model-policies.ts";

export type ModelStep = {
  step: OpenedStep;
  /** What it waits for, or has waited for. */
  readonly approval: PendingApproval | undefined;
  state: StepState;
  held: boolean;
  /** The broker that it was held at last, among those that share the ledger. */
  keeper: string | undefined;
  leaseExpiresAt: UnixMicros | undefined;
  /** Who approved it. */
  approvedBy: OperatorActor | undefined;
  /** Up to which sequence what was decided of it takes account of what happened. */
  judged: number;
  closed: { readonly sequence: number; readonly at: UnixMicros; readonly reason: RevocationReason } | undefined;
};

export type ModelCredential = {
  readonly record: IssuanceRecord;
  readonly sequence: number;
  readonly stepId: string;
  undelivered: boolean;
  revoked: { readonly sequence: number; readonly at: UnixMicros; readonly reason: RevocationReason } | undefined;
};

/** What the events have said so far, as all parts of the model know it. */
export type History = {
  readonly steps: Map<string, ModelStep>;
  readonly credentials: Map<string, ModelCredential>;
  readonly entries: Map<string, RegistrationEntry>;
  readonly decisions: Map<string, Decision>;
  readonly policies: ModelPolicies;
  readonly facts: ModelFacts;
  /** Calls that an element of a grant has counted, by `holder/element`. */
  readonly callsMade: Map<string, number>;
  /** How often each kind of event was told, and what else is worth counting. */
  readonly seen: Map<string, number>;
};

export function createHistory(): History {
  const steps: History["steps"] = new Map();
  return {
    steps,
    credentials: new Map(),
    entries: new Map(),
    decisions: new Map(),
    policies: createModelPolicies(),
    facts: createModelFacts(steps),
    callsMade: new Map(),
    seen: new Map(),
  };
}

export function promise(isKept: boolean, sentence: string): asserts isKept {
  if (!isKept) throw new Error(`broken: ${sentence}`);
}

export function note({ seen }: Pick<History, "seen">, what: string, times = 1): void {
  seen.set(what, (seen.get(what) ?? 0) + times);
}

export function entryInForce({ entries }: History, entryId: string): RegistrationEntry {
  const entry = entries.get(entryId);
  promise(entry !== undefined && !entry.disabled, "nothing is granted by an entry that is disabled or gone");
  return entry;
}

/** Not closed: open, or waiting to be. */
export function isStanding({ state }: Pick<ModelStep, "state">): boolean {
  return !isClosed(state);
}

/** The approval that an open step has; absent where nobody had to approve it. */
export function approvalOf({ approval, approvedBy }: ModelStep): Approved | undefined {
  return approvedBy === undefined ? undefined : approval;
}

/** Neither expired nor revoked. */
export function isLiveBut({ record, revoked }: ModelCredential, at: UnixMicros): boolean {
  return revoked === undefined && microsOf(record.expiresAt) > at;
}

/** A step and the steps that it was delegated from, nearest first. */
export function lineageOf(history: History, { step }: ModelStep): readonly OpenedStep[] {
  const parent = step.parentStepId === undefined ? undefined : history.steps.get(step.parentStepId);
  return [step, ...(parent === undefined ? [] : lineageOf(history, parent))];
}

/**
 * Other steps that are open in the scopes of a step, or were at this time, each once: no decision on the step counts fewer.
 */
export function openBeside(
  { steps, facts }: History,
  { step }: Pick<ModelStep, "step">,
  at?: UnixMicros,
): readonly OpenedStep[] {
  const scopes = facts.scopesOf(step);
  const wasOpen = ({ state, closed }: ModelStep) =>
    state === "OPEN" || (at !== undefined && closed !== undefined && closed.at >= at);
  const open = [...steps.values()].filter((one) => wasOpen(one) && one.step.stepId !== step.stepId);
  return open.map((one) => one.step).filter((one) => facts.scopesOf(one).some((scope) => scopes.includes(scope)));
}

/** The same counted once for each scope: no decision counts more. */
export function openInEachScope(history: History, { step }: Pick<ModelStep, "step">, at?: UnixMicros): number {
  const { facts } = history;
  const scopes = facts.scopesOf(step);
  const shared = openBeside(history, { step }, at).map(
    (one) => facts.scopesOf(one).filter((scope) => scopes.includes(scope)).length,
  );
  return shared.reduce((sum, count) => sum + count, 0);
}

export function openSteps({ steps }: History): readonly ModelStep[] {
  return [...steps.values()].filter(({ state }) => state === "OPEN");
}

export function attemptsOf({ steps }: History, { runId, step: name }: OpenedStep): readonly ModelStep[] {
  return [...steps.values()].filter(({ step }) => step.runId === runId && step.step === name);
}

/** A step's grant with no more calls than are left of it. */
export function callsLeftOf({ callsMade }: History, { stepId, grant }: OpenedStep): Grant {
  return grant.flatMap((element, index): Grant => {
    if (element.max_calls === undefined) return [element];
    const left = element.max_calls - (callsMade.get(`${stepId}/${index}`) ?? 0);
    return left > 0 ? [{ ...element, max_calls: left }] : [];
  });
}

/** Whether the policies in force permit that a step is opened, when it was decided. */
export function isPermitted(history: History, step: OpenedStep, { decidedAt }: Decision, approved?: Approved): boolean {
  const stepsOpen = openBeside(history, { step }).length;
  const classes = history.facts.classesAround(step);
  return history.policies.permits(step, { at: decidedAt, stepsOpen, classes, act: "open", approved });
}

/** When a step of this agent that begins now is over at the latest; a second is rounded up. */
export function latestEnd({ stepSecondsMax }: AgentContent, at: UnixMicros): UnixMicros {
  return addMicros(at, (stepSecondsMax + 1) * 1_000_000);
}

export function leaseEnd({ leaseSeconds }: OpenedStep, at: UnixMicros): UnixMicros | undefined {
  return leaseSeconds === undefined ? undefined : addMicros(at, leaseSeconds * 1_000_000);
}

/** What nobody has done yet with a step that is new. */
export const UNTOUCHED = { held: false, keeper: undefined, approvedBy: undefined, closed: undefined } as const;
