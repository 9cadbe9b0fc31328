import { withDescendants } from "../domain/descendants.ts";
import type { IssuanceRecorded, StepClosed } from "../domain/ledger-event.ts";
import { asOpened, descendantState, type Step } from "../domain/step.ts";
import type { Committed } from "../ports/following.ts";

/**
 * What an event makes of a step that is open, or was open until then. `pinned`: the step's executable is known from
 * here on, which no message about a step tells.
 */
export type StepChange = { readonly kind: "opened" | "changed" | "pinned" | "closed"; readonly step: Step };

/** The open steps, told from the ledger's events alone. */
export type OpenSteps = {
  get(stepId: string): Step | undefined;
  /** Oldest first. */
  all(): readonly Step[];
  /**
   * Takes the next event, and gives the changes that follow from the event.
   *
   * @throws RangeError, having changed nothing, when the event does not fit what the events before say
   */
  take(committed: Committed): readonly StepChange[];
};

/** @param steps - the steps that are open to begin with, oldest first. */
export function createOpenSteps(steps: readonly Step[]): OpenSteps {
  const open = new Map<string, Step>();
  const children = new Map<string, Set<string>>();
  for (const step of steps) put(step);

  function put(step: Step): void {
    open.set(step.stepId, step);
    if (step.parentStepId === undefined) return;
    const siblings = children.get(step.parentStepId);
    if (siblings === undefined) children.set(step.parentStepId, new Set([step.stepId]));
    else siblings.add(step.stepId);
  }

  function remove({ stepId, parentStepId }: Step): void {
    open.delete(stepId);
    children.delete(stepId);
    if (parentStepId !== undefined) children.get(parentStepId)?.delete(stepId);
  }

  function change(stepId: string, changed: Partial<Step>, kind: StepChange["kind"] = "changed"): readonly StepChange[] {
    const step = open.get(stepId);
    if (step === undefined) return [];
    const next = { ...step, ...changed };
    open.set(stepId, next);
    return [{ kind, step: next }];
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

  function close({ stepId, state, reason, at, count }: StepClosed, sequence: number): readonly StepChange[] {
    const root = open.get(stepId);
    const subtree = root === undefined ? [] : withDescendants(root, childrenOf);
    if (subtree.length !== count)
      throw new RangeError(`event ${sequence} closes ${count} steps, not ${subtree.length}`);
    const closed = { closedSequence: sequence, closedAt: at, closeReason: reason };
    return subtree.map((step) => {
      remove(step);
      return { kind: "closed", step: { ...step, state: step === root ? state : descendantState(state), ...closed } };
    });
  }

  return {
    get: (stepId) => open.get(stepId),
    all: () => [...open.values()],
    take({ event, sequence }) {
      switch (event.type) {
        case "step.opened": {
          const step = asOpened(event.step, sequence);
          put(step);
          return [{ kind: "opened", step }];
        }
        case "step.held":
          return change(event.stepId, { held: true });
        case "step.renewed":
          return change(event.stepId, { leaseExpiresAt: event.leaseExpiresAt });
        case "issuance.recorded":
          return pin(event);
        case "step.closed":
          return close(event, sequence);
        default:
          return [];
      }
    },
  };
}
