import type { NodeName } from "../domain/node-name.ts";
import { isRemote, nodeOfProcess, type ProcessIdentity } from "../domain/process.ts";
import type { Machine, Replicas } from "../ports/replicas.ts";

/**
 * Whose something is to look after, among brokers that share the ledger: `own`, `another's` for as long as the lease of that one
 * stands, and an `orphan` that is this broker's for the one that is gone.
 */
export type Charge = "own" | "another's" | "orphan";

export type Charges = {
  /** @param whose - the broker that keeps a step, or has what a secret of another system is ended by. */
  of(whose: { readonly keeper?: string | undefined }): Charge;
  /** Whether this broker is to look whether a process lives. */
  sees(process: ProcessIdentity): boolean;
  /** Whether no broker is there that could see a process. */
  isOrphan(process: ProcessIdentity): boolean;
};

/** @param replicas - absent: the ledger is shared with nobody, and every step is `own`. */
export function chargesAmong(replicas: Replicas | undefined): Charges {
  if (replicas === undefined) return { of: () => "own", sees: () => true, isOrphan: () => false };
  const { own, all, leads } = replicas;

  /** A node is at one of them, or its processes are the leader's to wait for. */
  function seesThrough(node: NodeName): boolean {
    const attending = all().filter(({ isAlive, report }) => isAlive && report.nodes.includes(node));
    return attending.length === 0 ? leads() : attending.some(({ name }) => name === own);
  }

  return {
    of({ keeper }) {
      if (keeper === own) return "own";
      const isKept = all().some(({ name, isAlive }) => name === keeper && isAlive);
      return isKept || !leads() ? "another's" : "orphan";
    },
    sees(process) {
      const node = nodeOfProcess(process);
      if (node !== undefined) return seesThrough(node);
      return isRemote(process) || all().some(({ name, machine }) => name === own && isOn(machine, process));
    },
    isOrphan(process) {
      if (isRemote(process) || nodeOfProcess(process) !== undefined) return false;
      return !all().some(({ machine, isAlive }) => isAlive && isOn(machine, process));
    },
  };
}

function isOn({ bootId, pidNamespace }: Machine, process: ProcessIdentity): boolean {
  return bootId === process.bootId && pidNamespace === process.pidNamespace;
}
