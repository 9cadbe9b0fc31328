import type { ProcessIdentity } from "../../domain/process.ts";
import { identityOf } from "./evidence.ts";
import type { HostFacts } from "./host-facts.ts";
import { readParentage } from "./process-facts.ts";

/** Deeper than any supervisor, shell and package runner go together; a longer chain does not reach any farther. */
const ANCESTORS_MAX = 64;

/** One process of a chain: its parent is the next. */
type Link = { readonly pid: number; readonly startTimeTicks: number };

/**
 * The processes above one that is alive, its parent first, as the kernel links them now. A process whose parent ended is
 * the child of another, the first of its namespace or a subreaper, so its chain leads there and not to whom it came from.
 *
 * The chain is read twice, and counts as far as both readings agree. Then each parent was there, with this pid and start
 * time, before and after its child named it, so that no other process can have had the pid in between.
 *
 * @param startTimeTicks - of the process itself, which the caller shows alive before and after.
 * @see proc_pid_stat(5)
 */
export function ancestorsOf(pid: number, startTimeTicks: number, host: HostFacts): readonly ProcessIdentity[] {
  const own = { pid, startTimeTicks };
  const first = chainFrom(own);
  const second = chainFrom(own);
  const differs = first.findIndex((link, index) => !isSame(link, second[index]));
  const agreed = differs === -1 ? first : first.slice(0, differs);
  return agreed.map((link) => identityOf(link.pid, link.startTimeTicks, host));
}

function chainFrom(own: Link): readonly Link[] {
  const chain: Link[] = [];
  let child = own;
  let parentage = readParentage(own.pid);
  if (parentage.kind === "failure" || parentage.startTimeTicks !== own.startTimeTicks) return chain;
  while (chain.length < ANCESTORS_MAX && parentage.parentPid > 0) {
    const pid = parentage.parentPid;
    parentage = readParentage(pid);
    // A parent is older than its child. A younger process has the pid of a parent that is gone.
    if (parentage.kind === "failure" || parentage.startTimeTicks > child.startTimeTicks) return chain;
    child = { pid, startTimeTicks: parentage.startTimeTicks };
    chain.push(child);
  }
  return chain;
}

function isSame(one: Link, other: Link | undefined): boolean {
  return other !== undefined && one.pid === other.pid && one.startTimeTicks === other.startTimeTicks;
}
