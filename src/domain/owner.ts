import { groupOf, type NodeName } from "./node-name.ts";
import { nodeOfProcess, type ProcessIdentity } from "./process.ts";
import type { Step } from "./step.ts";

/**
 * Whose a run or a step is: the entry's by which it was opened. Where that entry is one on a group of nodes, it is on many
 * machines at once, of which each may be in other hands: then it is the machine's too.
 */
export type Owner = {
  readonly entryId: string;
  /** Absent for what was opened elsewhere than on a machine of a group. */
  readonly machine?: NodeName;
};

export function ownerOf({ openerEntryId, opener }: Pick<Step, "openerEntryId" | "opener">): Owner {
  return ownedBy(openerEntryId, opener);
}

/** What a process of this entry owns. */
export function ownedBy(entryId: string, process: Pick<ProcessIdentity, "bootId">): Owner {
  const machine = machineOf(process);
  return machine === undefined ? { entryId } : { entryId, machine };
}

export function sameOwner(a: Owner, b: Owner): boolean {
  return a.entryId === b.entryId && a.machine === b.machine;
}

/** Whether no two machines of a group are between two processes. */
export function areWithinMachine(a: Pick<ProcessIdentity, "bootId">, b: Pick<ProcessIdentity, "bootId">): boolean {
  return machineOf(a) === machineOf(b);
}

/** The machine of a group on which a process is; `undefined` for any other process. */
export function machineOf(process: Pick<ProcessIdentity, "bootId">): NodeName | undefined {
  const node = nodeOfProcess(process);
  return node === undefined || groupOf(node) === undefined ? undefined : node;
}
