import { type DescendantPorts, isDescendant } from "../decide/descendants.ts";
import { visibleTo } from "../decide/step-access.ts";
import { BrokerError, errorOf, isDenial } from "../domain/errors.ts";
import type { Attested } from "../domain/stages.ts";
import type { Step } from "../domain/step.ts";
import type { Clock } from "../ports/clock.ts";
import type { EntryDirectory, StepDirectory } from "../ports/directories.ts";
import type { InForce } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";

export type RenewPorts = DescendantPorts & {
  readonly entries: Pick<EntryDirectory, "byId">;
  readonly ledger: Pick<Ledger, "perform">;
  readonly stepDirectory: Pick<StepDirectory, "byId">;
  readonly inDirectory: InForce;
  readonly clock: Clock;
};

/**
 * Lets the lease of a step begin anew.
 *
 * @returns the step as it is now
 * @throws BrokerError STEP_NOT_FOUND, NOT_ENTITLED, STEP_CLOSED, LEDGER_UNAVAILABLE; INVALID_FIELD for a step without a lease
 */
export async function renewStep(caller: Attested, stepId: string, ports: RenewPorts): Promise<Step> {
  const { step, access } = visibleTo(caller, await ports.stepDirectory.byId(stepId));
  if (!access.asOpener || isDescendant(caller, step, ports))
    throw new BrokerError(
      "NOT_ENTITLED",
      "only its opener renews a step, and no process that one with a part in steps started",
    );
  const renewed = await ports.ledger.perform({ act: "renew-step", stepId, now: ports.clock.now() });
  if (isDenial(renewed)) throw errorOf(renewed);
  await ports.inDirectory(renewed.sequence);
  return (await ports.stepDirectory.byId(stepId)) ?? step;
}
