import type { Lifetimes } from "../close/lifetimes.ts";
import { isDescendant } from "../decide/descendants.ts";
import { type StepAccess, visibleTo } from "../decide/step-access.ts";
import { errorOf, isDenial } from "../domain/errors.ts";
import type { Attested } from "../domain/stages.ts";
import { isClosed, permits, type Step } from "../domain/step.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { EntryDirectory, StepDirectory } from "../ports/directories.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { Replicas } from "../ports/replicas.ts";
import type { StepProcesses } from "../ports/step-processes.ts";

export type HoldPorts = {
  readonly stepProcesses: StepProcesses;
  readonly entries: Pick<EntryDirectory, "byId">;
  readonly ledger: Pick<Ledger, "perform">;
  readonly stepDirectory: Pick<StepDirectory, "byId">;
  readonly lifetimes: Pick<Lifetimes, "following" | "hold">;
  /** Absent: the ledger is shared with nobody. */
  readonly replicas?: Pick<Replicas, "own"> | undefined;
  readonly clock: Clock;
};

/** A step that somebody looks at, and perhaps keeps open, or will once it is approved. */
export type Held = {
  readonly step: Step;
  readonly access: StepAccess;
  /** Lets go of the step. */
  readonly release: Cancel;
  /** Holds a step that waits for approval, once it is open; absent where nothing is waited for, or it is not kept open. */
  readonly keepOpen?: () => Promise<Cancel>;
};

/**
 * Holds a step. Only the opener's hold keeps a step open: an executor's only observes, and so does that of a process
 * which the opener started. A step that waits for approval is only looked at until it is open.
 *
 * @throws BrokerError STEP_NOT_FOUND, NOT_ENTITLED, LEDGER_UNAVAILABLE
 */
export async function holdStep(caller: Attested, stepId: string, ports: HoldPorts): Promise<Held> {
  const { step, access } = visibleTo(caller, await ports.stepDirectory.byId(stepId));
  if (!access.asOpener || isClosed(step.state) || isDescendant(caller, step, ports)) {
    return { step, access, release: () => undefined };
  }
  if (!permits(step.state)) {
    return { step, access, release: () => undefined, keepOpen: () => keepOpen(caller, stepId, ports) };
  }
  const release = await keepOpen(caller, stepId, ports);
  return { step: (await ports.stepDirectory.byId(stepId)) ?? step, access, release };
}

async function keepOpen(
  { process }: Attested,
  stepId: string,
  { ledger, lifetimes, stepProcesses, replicas, clock }: HoldPorts,
): Promise<Cancel> {
  const keeper = replicas === undefined ? {} : { keeper: replicas.own };
  const held = await ledger.perform({ act: "hold-step", stepId, ...keeper, now: clock.now() });
  if (isDenial(held)) {
    // A step that was closed in between is shown as it is now.
    if (held.code === "STEP_CLOSED") return () => undefined;
    throw errorOf(held);
  }
  await lifetimes.following.reached(held.sequence);
  const ends = [lifetimes.hold(stepId), stepProcesses.holds(process)];
  return () => {
    for (const end of ends) end();
  };
}
