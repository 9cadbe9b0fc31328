import type { Link as KinLink, Lineage } from "../../domain/descent.ts";
import type { ProcessIdentity } from "../../domain/process.ts";
import { identityOf } from "./evidence.ts";
import type { HostFacts } from "./host-facts.ts";
import { orphanPlace } from "./orphans.ts";
import { type Parentage, readParentage } from "./process-facts.ts";

/** Deeper than any supervisor, shell and package runner go together; a longer chain does not reach any farther. */
const ANCESTORS_MAX = 64;
/** Looks at a chain that changes while it is read; a chain changes only as processes of it end. */
const LOOKS_MAX = 3;

/** One process of a chain: its parent is the next. */
type Link = Parentage & { readonly pid: number };

/** A process, first, with those above it, as one reading found them; `isWhole`: up to the first that can be seen. */
type Chain = { readonly links: readonly Link[]; readonly isWhole: boolean };

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
  const first = chainFrom(pid, startTimeTicks);
  const agreed = agreedPart(first, chainFrom(pid, startTimeTicks));
  return agreed.slice(1).map((link) => identityOf(link.pid, link.startTimeTicks, host));
}

/**
 * The same chain with the process itself, whole or not at all, and with the place of each process that may be an orphan.
 *
 * @param startTimeTicks - of the process itself, which the caller shows alive before and after.
 */
export function lineageOf(pid: number, startTimeTicks: number, host: HostFacts): Lineage {
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    const { links, isWhole } = chainFrom(pid, startTimeTicks);
    const places = links.map((link, index) => orphanPlace(link, links[index + 1]));
    const isAgreed = agreedPart({ links, isWhole }, chainFrom(pid, startTimeTicks)).length === links.length;
    if (!isWhole || !isAgreed) continue;
    const chain = links.map((link, index): KinLink => {
      const orphanIn = places[index];
      const process = identityOf(link.pid, link.startTimeTicks, host);
      return orphanIn === undefined ? { process } : { process, orphanIn };
    });
    return { kind: "lineage", chain };
  }
  return { kind: "untold" };
}

function chainFrom(pid: number, startTimeTicks: number): Chain {
  const own = readParentage(pid);
  if (own.kind === "failure" || own.startTimeTicks !== startTimeTicks) return { links: [], isWhole: false };
  const links: Link[] = [{ ...own, pid }];
  for (let child = own; child.parentPid > 0; ) {
    const parent = readParentage(child.parentPid);
    // A parent is older than its child. A younger process has the pid of a parent that is gone.
    const isParent = parent.kind === "parentage" && parent.startTimeTicks <= child.startTimeTicks;
    if (!isParent || links.length > ANCESTORS_MAX) return { links, isWhole: false };
    links.push({ ...parent, pid: child.parentPid });
    child = parent;
  }
  return { links, isWhole: true };
}

function agreedPart({ links }: Chain, other: Chain): readonly Link[] {
  const differs = links.findIndex((link, index) => !isSame(link, other.links[index]));
  return differs === -1 ? links : links.slice(0, differs);
}

function isSame(one: Link, other: Link | undefined): boolean {
  return other !== undefined && one.pid === other.pid && one.startTimeTicks === other.startTimeTicks;
}
