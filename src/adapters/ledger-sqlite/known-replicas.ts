import type { Replica, Replicas } from "../../ports/replicas.ts";

/** The brokers that share a log, as the thread that renews the lease of this one tells of them. */
export type KnownReplicas = Replicas & { told(replicas: readonly Replica[]): void };

/** @param report - has the others told of this one. */
export function createKnownReplicas(own: string, report: Replicas["report"]): KnownReplicas {
  let known: readonly Replica[] = [];
  /** As texts, to be compared with what is told next: who is there, and all that they say. */
  let [presence, said] = ["[]", "[]"];
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
      const before = { presence, said };
      known = replicas;
      [presence, said] = [presenceOf(known), JSON.stringify(known)];
      for (const listener of [...looks]) listener(presence !== before.presence);
      if (said !== before.said) for (const listener of [...reports]) listener();
    },
  };
}

/** What changes seldom, and has every open step looked at. */
function presenceOf(replicas: readonly Replica[]): string {
  return JSON.stringify(replicas.map(({ name, machine, isAlive, report }) => [name, machine, isAlive, report.nodes]));
}
