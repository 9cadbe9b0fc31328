import { allowsDescendants, type DescendantPorts, descendantRefusal } from "../decide/descendants.ts";
import { isExecutedBy } from "../decide/executed-by.ts";
import type { ProcessIdentity } from "../domain/process.ts";
import { isOfKind, type RegistrationEntry } from "../domain/registration-entry.ts";
import type { Segment } from "../domain/spiffe-id.ts";
import type { Attested } from "../domain/stages.ts";
import type { Step } from "../domain/step.ts";

/**
 * The entry by which a caller opens. A process that descends from one with a part in steps opens only by an entry that
 * says `allow_descendants`, or under a step that it executes itself, of which it holds the grant already.
 *
 * @param openers - entries of the caller that let it open for the agent, at least one.
 * @throws BrokerError NOT_ENTITLED
 */
export function openerApart(
  caller: Attested,
  openers: readonly [RegistrationEntry, ...RegistrationEntry[]],
  parent: Step | undefined,
  ports: DescendantPorts,
): RegistrationEntry {
  const [first] = openers;
  if (allowsDescendants(first) || (parent !== undefined && isOwn(parent, caller))) return first;
  const refusal = descendantRefusal(caller, ports);
  if (refusal === undefined) return first;
  const lenient = openers.find(allowsDescendants);
  if (lenient === undefined) throw refusal;
  return lenient;
}

/** Why a process opens no steps by entries of runtimes and agents that let their processes open steps. */
export type OpeningRefusal = {
  readonly message: string;
  readonly entries: readonly RegistrationEntry[];
  /** The process with a part in steps that it descends from, or may descend from; absent where nobody can tell. */
  readonly from?: ProcessIdentity;
};

/**
 * What a process would be told if it opened a step that is no child of one that it executes; `undefined` where descent is
 * in its way by none of its entries.
 *
 * @throws BrokerError NOT_SERVING while the processes of steps can't be relied on
 */
export function openingRefusal(caller: Attested, ports: DescendantPorts): OpeningRefusal | undefined {
  const entries = caller.entries.filter(
    (entry) => !isOfKind(entry, "operator") && mayOpenAny(entry) && !allowsDescendants(entry),
  );
  const refusal = entries.length === 0 ? undefined : descendantRefusal(caller, ports);
  if (refusal === undefined) return undefined;
  const descent = ports.stepProcesses.descentOf(caller.process);
  return { message: refusal.message, entries, ...("from" in descent ? { from: descent.from } : {}) };
}

/** Whether the entry lets its processes open steps, of whichever agent. */
export function mayOpenAny(entry: RegistrationEntry): boolean {
  return (
    isOfKind(entry, "runtime") ||
    (isOfKind(entry, "agent") && entry.content.mayOpen) ||
    (isOfKind(entry, "operator") && entry.content.role === "admin")
  );
}

/** Whether the entry lets its processes open steps for this agent. */
export function mayOpenFor(entry: RegistrationEntry, agent: Segment): boolean {
  if (isOfKind(entry, "runtime")) return entry.content.agents.includes(agent);
  return mayOpenAny(entry) && (!isOfKind(entry, "agent") || entry.content.name === agent);
}

function isOwn(step: Step, caller: Attested): boolean {
  const { executor, agentEntryId } = step;
  if (executor.kind === "any") return false;
  return isExecutedBy(step, caller) && caller.entries.some(({ entryId }) => entryId === agentEntryId);
}
