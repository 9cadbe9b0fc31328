import { BrokerError } from "../domain/errors.ts";
import { isRemote, sameProcess } from "../domain/process.ts";
import { isOfKind, type RegistrationEntry } from "../domain/registration-entry.ts";
import type { Attested } from "../domain/stages.ts";
import type { Step } from "../domain/step.ts";
import type { EntryDirectory } from "../ports/directories.ts";
import type { StepProcesses } from "../ports/step-processes.ts";

export type DescendantPorts = { readonly stepProcesses: Pick<StepProcesses, "descentOf"> };

const DO =
  "open it under a step that this process executes (parent_step_id), have that one enroll this process (Steps.Enroll), or let the entry say allow_descendants";

/** What a descendant is told, by how it is known as one. */
const TOLD = {
  descends: `the calling process was started by one that opened, holds or executes a step, and is not that one: ${DO}`,
  orphan:
    "the calling process was started later than one that opened, holds or executes a step, in the session or control " +
    "group of that one, and its own parent takes in orphans, so that it can't be told from what that one started: " +
    `give each runtime a user, a unit or a control group of its own, or ${DO}`,
  untold: `what started the calling process can't be told, which may be one that opened, holds or executes a step: ${DO}`,
} as const;

/**
 * Why a process does not act as the runtime or agent whose entry it matches: a process that it may have started, or that
 * executes a step for it, has the same user and often the same program. `undefined` for a process that stands for itself,
 * and for a caller on a network, which has no process here.
 *
 * @returns NOT_ENTITLED, which says what can be done
 * @throws BrokerError NOT_SERVING while the processes of steps can't be relied on
 */
export function descendantRefusal(caller: Attested, { stepProcesses }: DescendantPorts): BrokerError | undefined {
  if (isRemote(caller.process)) return undefined;
  const { kind } = stepProcesses.descentOf(caller.process);
  return kind === "none" ? undefined : new BrokerError("NOT_ENTITLED", TOLD[kind]);
}

/**
 * Whether a caller that matches the entry of a step's opener was started by a process with a part in steps, so that it does
 * not stand for the opener. The opener itself always does.
 */
export function isDescendant(
  caller: Attested,
  { opener, openerEntryId }: Pick<Step, "opener" | "openerEntryId">,
  ports: DescendantPorts & { readonly entries: Pick<EntryDirectory, "byId"> },
): boolean {
  if (sameProcess(opener, caller.process)) return false;
  const entry = ports.entries.byId(openerEntryId);
  if (entry !== undefined && allowsDescendants(entry)) return false;
  return descendantRefusal(caller, ports) !== undefined;
}

/** Whether whatever a process of the entry starts counts as that process does. */
export function allowsDescendants(entry: RegistrationEntry): boolean {
  return (isOfKind(entry, "runtime") || isOfKind(entry, "agent")) && entry.content.allowDescendants === true;
}

/**
 * Why a caller has no identity of an entry of its own outside of any step: by the identity of a runtime or an operator, a
 * program opens steps over a network, where nobody sees what started it.
 */
export function identityRefusal(
  caller: Attested,
  entry: RegistrationEntry,
  ports: DescendantPorts,
): BrokerError | undefined {
  if (entry.content.kind === "verifier" || allowsDescendants(entry)) return undefined;
  return descendantRefusal(caller, ports);
}
