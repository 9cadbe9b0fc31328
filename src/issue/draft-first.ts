import { BrokerError, isDenial } from "../domain/errors.ts";
import type { PrincipalName } from "../domain/principal.ts";
import type { Attested, Drafted } from "../domain/stages.ts";
import type { Step } from "../domain/step.ts";
import { type DraftPorts, draft } from "./draft.ts";
import { each } from "./each.ts";
import { type EntitlePorts, entitlement, executableOf, executorEntry, type SvidWanted } from "./entitle.ts";

export type DraftFirstPorts = DraftPorts & Pick<EntitlePorts, "gate" | "rate">;

/** The credentials that whoever opens a step, and executes it, wants with it. */
export type FirstWanted = { readonly wanted: readonly SvidWanted[]; readonly principal: PrincipalName | undefined };

/**
 * The first credentials of a step that is about to be recorded, so that both are recorded together.
 *
 * @param step - as it will be once it is open.
 * @returns a draft of each that is wanted; `undefined` where any of them is refused: what is refused is a decision about
 *   a step, so they are all asked for once there is one.
 */
export function draftFirst(
  caller: Attested,
  step: Step,
  { wanted, principal }: FirstWanted,
  ports: DraftFirstPorts,
): readonly Drafted[] | undefined {
  if (ports.gate.refusal() !== undefined) return undefined;
  try {
    const entry = executorEntry(caller, step);
    const executable = executableOf(caller, step, "executor");
    const entitled = each(wanted, (one) => entitlement(step, entry, one, { executable, principal }));
    const drafted = draft(entitled, ports).filter((one): one is Drafted => !isDenial(one));
    if (drafted.length < wanted.length) return undefined;
    ports.rate.take(step.stepId, wanted.length);
    return drafted;
  } catch (thrown) {
    if (thrown instanceof BrokerError) return undefined;
    throw thrown;
  }
}
