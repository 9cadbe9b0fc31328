import { BrokerError, invalidField } from "../domain/errors.ts";
import type { Attested } from "../domain/stages.ts";
import { permits, type Step } from "../domain/step.ts";
import type { ProcessWatch } from "../ports/attestor.ts";
import type { ExecutorSteps } from "../ports/executor-steps.ts";
import type { StepReads } from "../ports/ledger-reads.ts";
import { processNamed } from "./named-process.ts";
import { accessTo } from "./step-access.ts";

/** How a runtime names the workload that it asks for: by the step that the workload executes, or by its process. */
export type WorkloadReference =
  | { readonly kind: "step"; readonly runId: string; readonly step: string; readonly attempt: number }
  | { readonly kind: "process"; readonly pid: number };

export type ReferencePorts = {
  readonly steps: Pick<StepReads, "newestAttempt">;
  readonly executorSteps: Pick<ExecutorSteps, "stepsOf">;
  readonly processes: Pick<ProcessWatch, "find">;
};

/**
 * The open steps that a reference stands for, of the caller's own runs and no others.
 *
 * @throws BrokerError STEP_NOT_FOUND for a workload that is unknown or has ended, NOT_ENTITLED for another runtime's
 *   workload, INVALID_FIELD for a pid that means nothing where the caller is
 * @see contracts section 3, SPIFFE Broker API sections 3.1.1 and 4.1
 */
export async function referencedSteps(
  caller: Attested,
  reference: WorkloadReference,
  ports: ReferencePorts,
): Promise<readonly Step[]> {
  return reference.kind === "step"
    ? [await stepNamed(caller, reference, ports)]
    : stepsExecutedBy(caller, reference.pid, ports);
}

async function stepNamed(
  caller: Attested,
  { runId, step: name, attempt }: Extract<WorkloadReference, { readonly kind: "step" }>,
  { steps }: ReferencePorts,
): Promise<Step> {
  // A new attempt closes the one before it, so only the newest attempt can be open.
  const step = await steps.newestAttempt(runId, name);
  if (step === undefined || step.attempt !== attempt) throw notFound("no such step");
  if (!accessTo(step, caller).asOpener) {
    throw new BrokerError("NOT_ENTITLED", "the step belongs to another entry's run");
  }
  if (!permits(step.state)) throw notFound(`the step is ${step.state}`);
  return step;
}

function stepsExecutedBy(caller: Attested, pid: number, ports: ReferencePorts): readonly Step[] {
  if (pid <= 0) throw invalidField("reference.pid", "the pid of a process");
  const found = processNamed(pid, caller, ports.processes, { field: "reference.pid", instead: "a step" });
  if (found === undefined) throw notFound("no process has this pid");
  const executed = ports.executorSteps.stepsOf(found.process);
  if (executed.length === 0) throw notFound("this process executes no open step");
  const own = executed.filter((step) => accessTo(step, caller).asOpener);
  if (own.length === 0) throw new BrokerError("NOT_ENTITLED", "the process executes steps of other entries' runs");
  return own;
}

function notFound(message: string): BrokerError {
  return new BrokerError("STEP_NOT_FOUND", message);
}
