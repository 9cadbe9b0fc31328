import { formatProcess, type ProcessIdentity, sameProcess } from "./process.ts";

/** Where the kernel has put a process. A member that could not be read is absent. */
export type Place = {
  /** Number of its session, which no other session has while a process is in it. */
  readonly session?: number;
  /** Path of its control group, e.g. `/system.slice/flow.service`. */
  readonly controlGroup?: string;
};

/** One process of a chain of parents. */
export type Link = {
  readonly process: ProcessIdentity;
  /** Present where its parent takes in orphans, so that another process may have started this one: where this one is. */
  readonly orphanIn?: Place;
};

/** A process and those above it, its parent next, up to the first process that the broker can see. */
export type Lineage = { readonly kind: "lineage"; readonly chain: readonly Link[] } | { readonly kind: "untold" };

/** A live process that has a part in steps, and where it is. */
export type Party = { readonly process: ProcessIdentity; readonly place: Place };

/**
 * What a process is to others.
 *
 * `none`: it descends from none of them. `descends`: its chain of parents leads to `from`. `orphan`: nobody can tell it
 * from an orphan of `from`. `untold`: nobody can tell what is above it.
 */
export type Descent =
  | { readonly kind: "none" }
  | { readonly kind: "descends" | "orphan"; readonly from: ProcessIdentity }
  | { readonly kind: "untold" };

/**
 * Whether the first process of a lineage descends from one of the parties.
 *
 * A process whose parent has ended is the child of another, so its chain no longer tells whom it came from. What it
 * can't shake off is when it started, and what it was started into: a session, which it may leave only for one of its own,
 * and a control group, which it leaves only with the right to. So an orphan counts as a descendant of each party
 * that is no younger, and in the same session or control group.
 *
 * @param isParty - whether a process is one of the parties.
 * @param parties - all of them; looked through only for a lineage with a possible orphan in it.
 */
export function descentOf(
  lineage: Lineage,
  isParty: (process: ProcessIdentity) => boolean,
  parties: () => Iterable<Party>,
): Descent {
  if (lineage.kind === "untold") return { kind: "untold" };
  const [own, ...above] = lineage.chain;
  if (own === undefined) return { kind: "untold" };
  const from = above.find(({ process }) => isParty(process))?.process;
  if (from !== undefined) return { kind: "descends", from };
  const orphans = lineage.chain.filter((link) => link.orphanIn !== undefined);
  if (orphans.length === 0) return { kind: "none" };
  for (const { process, place } of parties()) {
    // Sessions and control groups have the same names on every machine.
    if (sameProcess(process, own.process) || process.bootId !== own.process.bootId) continue;
    const mayBeIts = orphans.some(
      (orphan) =>
        !sameProcess(process, orphan.process) && mayHaveStarted(process, orphan) && isSamePlace(place, orphan),
    );
    if (mayBeIts) return { kind: "orphan", from: process };
  }
  return { kind: "none" };
}

/** Two that started in the same tick may be parent and child. */
function mayHaveStarted(party: ProcessIdentity, { process }: Link): boolean {
  return party.startTimeTicks <= process.startTimeTicks;
}

/** What could not be read may be the same. */
function isSamePlace(party: Place, { orphanIn = {} }: Link): boolean {
  return (
    party.session === undefined ||
    party.controlGroup === undefined ||
    orphanIn.session === undefined ||
    orphanIn.controlGroup === undefined ||
    party.session === orphanIn.session ||
    isWithin(orphanIn.controlGroup, party.controlGroup)
  );
}

function isWithin(group: string, outer: string): boolean {
  return group === outer || group.startsWith(outer.endsWith("/") ? outer : `${outer}/`);
}

/** Whether what is known of a process could be otherwise once `other` is a party: no ancestor is younger. */
export function mayDescend(process: ProcessIdentity, other: ProcessIdentity): boolean {
  return (
    other.bootId === process.bootId &&
    other.startTimeTicks <= process.startTimeTicks &&
    formatProcess(process) !== formatProcess(other)
  );
}
