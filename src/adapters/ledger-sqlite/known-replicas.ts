import type { Replica, Replicas } from "../../ports/replicas.ts";

/** The brokers that share a log, as the thread that renews the lease of this one tells of them. */
export type KnownReplicas = Replicas & { told(replicas: readonly Replica[]): void };

/** @param report - has the others told of this one. */
export function createKnownReplicas(own: string, report: Replicas["report"]): KnownReplicas {
  let known: readonly Replica[] = [];
  const looks = new Set<(isChanged: boolean) => void>();
  const reports = new Set<() => void>();
  // Names are told in their order, so that all come to the same.
  const leader = () => known.find(({ isAlive }) => isAlive)?.name ?? own;
  return {
    own,
    all: () => known,
    leader,
    leads: () => leader() === own,
    report,
    onLook(listener) {
      looks.add(listener);
      return () => void looks.delete(listener);
    },
    onReport(listener) {
      reports.add(listener);
      return () => void reports.delete(listener);
    },
    told(replicas) {
      const before = known;
      known = replicas;
      const isChanged = presenceOf(known) !== presenceOf(before);
      for (const listener of [...looks]) listener(isChanged);
      if (JSON.stringify(known) !== JSON.stringify(before)) for (const listener of [...reports]) listener();
    },
  };
}

/** What changes seldom, and has every open step looked at. */
function presenceOf(replicas: readonly Replica[]): string {
  return JSON.stringify(replicas.map(({ name, machine, isAlive, report }) => [name, machine, isAlive, report.nodes]));
}
