import { withDescendants } from "../domain/descendants.ts";
import {
  answerOf,
  type IssuanceRecorded,
  type StepApproved,
  type StepClosed,
  type StepHeld,
  type StepsJudged,
} from "../domain/ledger-event.ts";
import { alsoFor, type FactScope, factScopesOf, isOfPrincipal, isOfRun, reachedFrom } from "../domain/run-facts.ts";
import { asApproved, asOpened, asPending, descendantState, permits, type Step } from "../domain/step.ts";
import type { Committed } from "../ports/following.ts";

/**
 * What an event makes of a step that is not closed, or was not until then. `pending`: it waits for approval from here on;
 * `approved`: it waited, and is open. `moved`: another broker keeps it from here on. `pinned`: the step's executable is known
 * from here on; `judged`: what was decided of the step takes account of more; `answered`: its close comes next. No message
 * about a step tells of these last three.
 */
export type StepChange = {
  readonly kind: "opened" | "pending" | "approved" | "changed" | "moved" | "pinned" | "judged" | "answered" | "closed";
  readonly step: Step;
};

/** The steps that are open or wait for approval, told from the ledger's events alone. */
export type OpenSteps = {
  get(stepId: string): Step | undefined;
  /** Those that are open, oldest first. */
  all(): readonly Step[];
  /** Whose grants count in any of these scopes, or in a run that one of them connects with these; oldest first. */
  inScopes(scopes: readonly FactScope[]): readonly Step[];
  /**
   * Takes the next event, and gives the changes that follow from the event.
   *
   * @throws RangeError, having changed nothing, when the event does not fit what the events before say
   */
  take(committed: Committed): readonly StepChange[];
};

/** @param steps - the steps that are open, or wait for approval, to begin with, oldest first. */
export function createOpenSteps(steps: readonly Step[]): OpenSteps {
  const open = new Map<string, Step>();
  const children = new Map<string, Set<string>>();
  const byScope = new Map<FactScope, Set<string>>();
  /** Runs with steps here, with principals for whom all of these count, and all that these connect the run with. */
  const worksFor = new Map<FactScope, ReadonlySet<FactScope>>();
  for (const step of steps) put(step);

  function put(step: Step): void {
    open.set(step.stepId, step);
    for (const scope of factScopesOf(step)) addTo(byScope, scope, step.stepId);
    if (step.parentStepId !== undefined) addTo(children, step.parentStepId, step.stepId);
  }

  function runsIn(run: FactScope): readonly FactScope[] {
    const standing = [...(byScope.get(run) ?? [])].flatMap((stepId) => open.get(stepId) ?? []);
    return standing.flatMap((step) => factScopesOf(step).filter(isOfRun));
  }

  /** Where a step stands that counts for fewer principals than the others there did, each has to be looked at again. */
  function standApart(step: Step): void {
    const scopes = factScopesOf(step);
    const known = (run: FactScope) => [...(worksFor.get(run) ?? [])];
    const behind = scopes.filter((run) => known(run).some((one) => !scopes.includes(one)));
    for (const run of reachedFrom(behind, runsIn)) {
      worksFor.set(run, new Set(known(run).filter((one) => scopes.includes(one))));
    }
  }

  function remove(step: Step): void {
    const { stepId, parentStepId } = step;
    open.delete(stepId);
    children.delete(stepId);
    for (const scope of factScopesOf(step)) {
      removeFrom(byScope, scope, stepId);
      if (!byScope.has(scope)) worksFor.delete(scope);
    }
    if (parentStepId !== undefined) removeFrom(children, parentStepId, stepId);
  }

  /**
   * What a run has at hand when it begins to work for a principal counts for that principal from then on; and so does the
   * run that such a step counts in.
   */
  function workFor(step: Step): void {
    const scopes = factScopesOf(step);
    const principals = scopes.filter(isOfPrincipal);
    if (principals.length === 0) return;
    const runs = new Set(scopes.filter(isOfRun));
    // The set grows while it is walked.
    for (const run of runs) {
      const known = worksFor.get(run) ?? new Set<FactScope>();
      if (principals.every((one) => known.has(one))) continue;
      worksFor.set(run, new Set([...known, ...principals]));
      for (const stepId of [...(byScope.get(run) ?? [])]) {
        const other = open.get(stepId);
        if (other === undefined) continue;
        const before = factScopesOf(other);
        const factScopes = alsoFor(before, principals);
        if (factScopes.length > before.length) put({ ...other, factScopes });
        for (const one of before.filter(isOfRun)) runs.add(one);
      }
    }
  }

  function openIn(scope: FactScope): readonly Step[] {
    const steps = [...(byScope.get(scope) ?? [])].flatMap((stepId) => open.get(stepId) ?? []);
    return steps.filter(({ state }) => permits(state));
  }

  function change(stepId: string, changed: Partial<Step>, kind: StepChange["kind"] = "changed"): readonly StepChange[] {
    const step = open.get(stepId);
    if (step === undefined) return [];
    const next = { ...step, ...changed };
    open.set(stepId, next);
    return [{ kind, step: next }];
  }

  function hold({ stepId, keeper = open.get(stepId)?.keeper }: StepHeld): readonly StepChange[] {
    const kind = open.get(stepId)?.keeper === keeper ? "changed" : "moved";
    return change(stepId, { held: true, ...(keeper === undefined ? {} : { keeper }) }, kind);
  }

  function pin({ issuance: { subject }, executable }: IssuanceRecorded): readonly StepChange[] {
    if (executable === undefined || subject.kind !== "step") return [];
    const executor = open.get(subject.stepId)?.executor;
    return executor?.kind === "process"
      ? change(subject.stepId, { executor: { ...executor, executable } }, "pinned")
      : [];
  }

  function childrenOf({ stepId }: Step): readonly Step[] {
    return [...(children.get(stepId) ?? [])].flatMap((childId) => open.get(childId) ?? []);
  }

  function approve(event: StepApproved, sequence: number): readonly StepChange[] {
    const waiting = open.get(event.stepId);
    if (waiting === undefined) throw new RangeError(`event ${sequence} approves a step that does not wait`);
    const { decisionId, expiresAt } = event;
    const step = asApproved(waiting, { decisionId, expiresAt, answer: answerOf(event, true), sequence });
    put(step);
    workFor(step);
    return [{ kind: "approved", step }];
  }

  function judge({ stepIds, through }: StepsJudged): readonly StepChange[] {
    return stepIds.flatMap((stepId) => change(stepId, { judgedSequence: through }, "judged"));
  }

  function close(
    { stepId, state, reason, at, count, decisionId }: StepClosed,
    sequence: number,
  ): readonly StepChange[] {
    const root = open.get(stepId);
    const subtree = root === undefined ? [] : withDescendants(root, childrenOf);
    if (subtree.length !== count)
      throw new RangeError(`event ${sequence} closes ${count} steps, not ${subtree.length}`);
    const closed = { closedSequence: sequence, closedAt: at, closeReason: reason };
    const because = decisionId === undefined ? {} : { closeDecisionId: decisionId };
    return subtree.map((step) => {
      remove(step);
      return {
        kind: "closed",
        step: { ...step, state: step === root ? state : descendantState(state), ...closed, ...because },
      };
    });
  }

  return {
    get: (stepId) => open.get(stepId),
    all: () => [...open.values()].filter(({ state }) => permits(state)),
    inScopes(scopes) {
      const found = new Map<string, Step>();
      reachedFrom(scopes, (scope) => {
        const steps = openIn(scope);
        for (const step of steps) found.set(step.stepId, step);
        return isOfRun(scope) ? steps.map(({ runId }) => `run:${runId}` as const) : [];
      });
      return [...found.values()].sort((a, b) => a.openedSequence - b.openedSequence);
    },
    take({ event, sequence }) {
      switch (event.type) {
        case "step.opened": {
          const step = asOpened(event.step, sequence);
          put(step);
          standApart(step);
          workFor(step);
          return [{ kind: "opened", step }];
        }
        case "step.pending": {
          const step = asPending(event.step, event.approval, sequence);
          put(step);
          standApart(step);
          return [{ kind: "pending", step }];
        }
        case "step.approved":
          return approve(event, sequence);
        case "step.refused": {
          const approval = open.get(event.stepId)?.approval;
          if (approval === undefined) return [];
          return change(event.stepId, { approval: { ...approval, answer: answerOf(event, false) } }, "answered");
        }
        case "step.held":
          return hold(event);
        case "step.renewed":
          return change(event.stepId, { leaseExpiresAt: event.leaseExpiresAt });
        case "issuance.recorded":
          return pin(event);
        case "steps.judged":
          return judge(event);
        case "step.closed":
          return close(event, sequence);
        default:
          return [];
      }
    },
  };
}

function addTo<Key>(sets: Map<Key, Set<string>>, key: Key, stepId: string): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([stepId]));
  else set.add(stepId);
}

function removeFrom<Key>(sets: Map<Key, Set<string>>, key: Key, stepId: string): void {
  const set = sets.get(key);
  if (set?.delete(stepId) === true && set.size === 0) sets.delete(key);
}
