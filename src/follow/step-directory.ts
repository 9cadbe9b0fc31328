import { type ProcessIdentity, processFrom } from "../domain/process.ts";
import { permits, type Step } from "../domain/step.ts";
import type { Cancel } from "../ports/clock.ts";
import type { StepDirectory } from "../ports/directories.ts";
import type { ExecutorSteps } from "../ports/executor-steps.ts";
import type { Committed, Following } from "../ports/following.ts";
import type { Head, Ledger } from "../ports/ledger.ts";
import type { ProjectionReads, StepReads } from "../ports/ledger-reads.ts";
import type { StepProcesses } from "../ports/step-processes.ts";
import { createExecutorIndex } from "./executor-index.ts";
import { createKeptRuns, type RunReads } from "./kept-runs.ts";
import { createListeners, type Listeners } from "./listeners.ts";
import { createOpenSteps, type StepChange } from "./open-steps.ts";
import { reliable } from "./reliable.ts";
import { createStepProcesses, type StepProcessesPorts } from "./step-processes.ts";

export type KeptSteps = StepDirectory &
  ExecutorSteps &
  StepProcesses & {
    readonly following: Following;
    /** For what is about to be opened. */
    readonly runs: RunReads;
    /** Takes up what is recorded of processes that can be seen from now on. */
    readonly appeared: (processes: readonly ProcessIdentity[]) => Promise<void>;
    /** Calls with each step that another broker keeps from then on than before; ends with the returned function. */
    onMoved(moved: (step: Step) => void): Cancel;
  };

export type StepDirectoryPorts = StepProcessesPorts & {
  readonly ledger: Pick<Ledger, "follow"> & { head(): Pick<Head, "sequence"> };
  readonly projections: Pick<ProjectionReads, "openSteps" | "stepProcesses">;
  /** For what is not kept: steps that are closed, and runs of before. */
  readonly steps: Pick<StepReads, "step"> & RunReads;
  /** Takes what a listener throws. */
  readonly failed: (error: unknown) => void;
};

/** Changes of which whoever follows a step is not told. */
const SILENT: ReadonlySet<StepChange["kind"]> = new Set(["pinned", "judged", "answered"]);

/**
 * Keeps the open steps in memory, by their ids and by their executors, and the processes that have a part in them.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE
 */
export async function keepStepDirectory(ports: StepDirectoryPorts): Promise<KeptSteps> {
  const { value, through } = await ports.projections.openSteps();
  const open = createOpenSteps(value);
  const executors = createExecutorIndex(
    value.filter(({ state }) => permits(state)),
    ports.failed,
  );
  const processes = createStepProcesses(ports);
  for (const step of value) processes.opened(step);
  async function appeared(alive: readonly ProcessIdentity[]): Promise<void> {
    const { value: recorded } = await ports.projections.stepProcesses(alive);
    for (const one of recorded.openers) processes.opener(one);
    for (const one of recorded.enrolled) processes.enrolled(one);
  }
  await appeared(ports.kinship.alive());
  const byStep = new Map<string, Listeners<[Step]>>();
  const moved = createListeners<[Step]>(ports.failed);

  function tell({ kind, step }: StepChange): void {
    // Nothing is issued to whoever is to execute a step that waits for approval.
    if (kind === "closed") executors.remove(step);
    else if (permits(step.state)) executors.put(step);
    if (!SILENT.has(kind)) byStep.get(step.stepId)?.tell(step);
    if (kind === "moved") moved.tell(step);
    if (kind === "opened" || kind === "pending") processes.opened(step);
    if (kind === "closed") processes.closed(step);
    if (kind === "closed") byStep.delete(step.stepId);
  }

  const runs = createKeptRuns(value, {
    reads: ports.steps,
    position: () => following.position(),
    isCurrent: () => following.refusal() === undefined && following.position() === ports.ledger.head().sequence,
  });

  const take = (committed: Committed) => {
    const { event, sequence } = committed;
    for (const change of open.take(committed)) {
      tell(change);
      runs.take(change, sequence);
    }
    if (event.type === "risk.set") runs.riskSet();
    if (event.type === "process.enrolled") processes.enrolled(processFrom(event.process));
  };
  const following = ports.ledger.follow({ name: "steps", take }, through);
  const inForce = reliable(following, open);

  function listenersOf(stepId: string): Listeners<[Step]> {
    const listeners = byStep.get(stepId) ?? createListeners<[Step]>(ports.failed);
    byStep.set(stepId, listeners);
    return listeners;
  }

  return {
    following: {
      ...following,
      end() {
        following.end();
        processes.end();
      },
    },
    descentOf(process) {
      inForce();
      return processes.descentOf(process);
    },
    holds: processes.holds,
    runs,
    appeared,
    onMoved: moved.onChange,
    // While the kept steps must not be relied on, the ledger itself is asked, so that nothing has to be refused.
    byId: async (stepId) =>
      (following.refusal() === undefined ? open.get(stepId) : undefined) ?? ports.steps.step(stepId),
    open: () => inForce().all(),
    async openInScopes(scopes, through) {
      // Where it is not reached, what is kept counts as failed from here on.
      await following.reached(through);
      return inForce().inScopes(scopes);
    },
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
