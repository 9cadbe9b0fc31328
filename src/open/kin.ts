import { allowsDescendants, type DescendantPorts, descendantRefusal } from "../decide/descendants.ts";
import { isExecutedBy } from "../decide/executed-by.ts";
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

function isOwn({ executor, agentEntryId }: Step, caller: Attested): boolean {
  if (executor.kind === "any") return false;
  return isExecutedBy(executor, caller) && caller.entries.some(({ entryId }) => entryId === agentEntryId);
}
