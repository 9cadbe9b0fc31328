import type { Lifetimes } from "../close/lifetimes.ts";
import { type StepAccess, visibleTo } from "../decide/step-access.ts";
import { errorOf, isDenial } from "../domain/errors.ts";
import type { Attested } from "../domain/stages.ts";
import { isClosed, type Step } from "../domain/step.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { StepDirectory } from "../ports/directories.ts";
import type { Ledger } from "../ports/ledger.ts";

export type HoldPorts = {
  readonly ledger: Pick<Ledger, "perform">;
  readonly stepDirectory: Pick<StepDirectory, "byId">;
  readonly lifetimes: Pick<Lifetimes, "following" | "hold">;
  readonly clock: Clock;
};

/** A step that somebody looks at, and perhaps keeps open. */
export type Held = {
  readonly step: Step;
  readonly access: StepAccess;
  /** Lets go of the step. */
  readonly release: Cancel;
};

/**
 * Holds a step. An executor's hold only observes: only the opener's hold keeps a step open.
 *
 * @throws BrokerError STEP_NOT_FOUND, NOT_ENTITLED, LEDGER_UNAVAILABLE
 */
export async function holdStep(caller: Attested, stepId: string, ports: HoldPorts): Promise<Held> {
  const { step, access } = visibleTo(caller, await ports.stepDirectory.byId(stepId));
  if (!access.asOpener || isClosed(step.state)) return { step, access, release: () => undefined };
  const release = await keepOpen(stepId, ports);
  return { step: (await ports.stepDirectory.byId(stepId)) ?? step, access, release };
}

async function keepOpen(stepId: string, { ledger, lifetimes, clock }: HoldPorts): Promise<Cancel> {
  const held = await ledger.perform({ act: "hold-step", stepId, now: clock.now() });
  if (isDenial(held)) {
    // A step that was closed in between is shown as it is now.
    if (held.code === "STEP_CLOSED") return () => undefined;
    throw errorOf(held);
  }
  await lifetimes.following.reached(held.sequence);
  return lifetimes.hold(stepId);
}
