import type { Step } from "../domain/step.ts";
import type { StepDirectory } from "../ports/directories.ts";
import type { ExecutorSteps } from "../ports/executor-steps.ts";
import type { Committed, Following } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { ProjectionReads, StepReads } from "../ports/ledger-reads.ts";
import { createExecutorIndex } from "./executor-index.ts";
import { createListeners, type Listeners } from "./listeners.ts";
import { createOpenSteps, type StepChange } from "./open-steps.ts";
import { reliable } from "./reliable.ts";

export type KeptSteps = StepDirectory & ExecutorSteps & { readonly following: Following };

export type StepDirectoryPorts = {
  readonly ledger: Pick<Ledger, "follow">;
  readonly projections: Pick<ProjectionReads, "openSteps">;
  /** For steps that are not open. */
  readonly steps: Pick<StepReads, "step">;
  /** Takes what a listener throws. */
  readonly failed: (error: unknown) => void;
};

/**
 * Keeps the open steps in memory, by their ids and by their executors.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE
 */
export async function keepStepDirectory(ports: StepDirectoryPorts): Promise<KeptSteps> {
  const { value, through } = await ports.projections.openSteps();
  const open = createOpenSteps(value);
  const executors = createExecutorIndex(value, ports.failed);
  const byStep = new Map<string, Listeners<[Step]>>();

  function tell({ kind, step }: StepChange): void {
    if (kind === "closed") executors.remove(step);
    else executors.put(step);
    if (kind !== "pinned" && kind !== "judged") byStep.get(step.stepId)?.tell(step);
    if (kind === "closed") byStep.delete(step.stepId);
  }

  const take = (committed: Committed) => {
    for (const change of open.take(committed)) tell(change);
  };
  const following = ports.ledger.follow({ name: "steps", take }, through);
  const inForce = reliable(following, open);

  function listenersOf(stepId: string): Listeners<[Step]> {
    const listeners = byStep.get(stepId) ?? createListeners<[Step]>(ports.failed);
    byStep.set(stepId, listeners);
    return listeners;
  }

  return {
    following,
    // While the kept steps must not be relied on, the ledger itself is asked, so that nothing has to be refused.
    byId: async (stepId) =>
      (following.refusal() === undefined ? open.get(stepId) : undefined) ?? ports.steps.step(stepId),
    open: () => inForce().all(),
    openInScopes: (scopes) => inForce().inScopes(scopes),
    executedBy(executor) {
      inForce();
      return executors.executedBy(executor);
    },
    stepsOf(process) {
      inForce();
      return executors.stepsOf(process);
    },
    followExecutor: executors.followExecutor,
    followStep(stepId, changed) {
      if (open.get(stepId) !== undefined) return listenersOf(stepId).onChange(changed);
      // The step was closed before anyone could follow it: the listener is told, but never from within this call.
      let isOver = false;
      ports.steps.step(stepId).then((step) => {
        if (step !== undefined && !isOver) changed(step);
      }, ports.failed);
      return () => {
        isOver = true;
      };
    },
  };
}
