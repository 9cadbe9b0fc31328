import type { Replica, Replicas } from "../../ports/replicas.ts";

/** The brokers that share a log, as the thread that renews the lease of this one tells of them. */
export type KnownReplicas = Replicas & { told(replicas: readonly Replica[]): void };

export function createKnownReplicas(own: string): KnownReplicas {
  let known: readonly Replica[] = [];
  const listeners = new Set<() => void>();
  return {
    own,
    all: () => known,
    // Names are told in their order, so that all come to the same.
    leads: () => (known.find(({ isAlive }) => isAlive)?.name ?? own) === own,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    told(replicas) {
      const isSame = JSON.stringify(replicas) === JSON.stringify(known);
      known = replicas;
      if (!isSame) for (const listener of [...listeners]) listener();
    },
  };
}
