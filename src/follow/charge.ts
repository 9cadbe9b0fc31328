import type { NodeName } from "../domain/node-name.ts";
import { isRemote, nodeOfProcess, type ProcessIdentity } from "../domain/process.ts";
import type { Step } from "../domain/step.ts";
import type { Cancel } from "../ports/clock.ts";
import type { Machine, Replicas } from "../ports/replicas.ts";

/**
 * Whose something is to look after, among brokers that share the ledger: `own`, `another's` for as long as the lease of that one
 * stands, and an `orphan` that is this broker's for the one that is gone.
 */
export type Charge = "own" | "another's" | "orphan";

type Kept = Pick<Step, "stepId" | "keeper">;
type Executed = Pick<Step, "stepId" | "executor">;

/** For all that look after steps in one broker. */
export type Charges = {
  of(step: Kept): Charge;
  /** Has been told of a step, or of a new keeper: who is to look after it was there then, and counts as there until it was looked since. */
  heard(step: Kept & Executed): void;
  /** Whether this broker is to look whether a process lives. */
  sees(process: ProcessIdentity): boolean;
  /** Whether no broker is there that could see the process that executes a step. */
  isOrphaned(step: Executed): boolean;
  /** Calls when charges may have changed, with a test for the steps whose; ends with the returned function. */
  onChange(listener: (isConcerned: (step: Kept) => boolean) => void): Cancel;
};

/** @param replicas - absent: the ledger is shared with nobody, and every step is `own`. */
export function chargesAmong(replicas: Replicas | undefined): Charges {
  if (replicas === undefined) {
    const nobody = () => undefined;
    return { of: () => "own", heard: nobody, sees: () => true, isOrphaned: () => false, onChange: () => nobody };
  }
  const { own, all, leads } = replicas;
  /** Steps of brokers that were gone, or had not come, when it was looked last. */
  let unsure = new Set<string>();
  const listeners = new Set<(isConcerned: (step: Kept) => boolean) => void>();
  replicas.onLook((isChanged) => {
    const before = unsure;
    unsure = new Set();
    if (!isChanged && before.size === 0) return;
    for (const listener of [...listeners]) listener(isChanged ? () => true : ({ stepId }) => before.has(stepId));
  });
  const isThere = (keeper: string | undefined) => all().some((one) => one.name === keeper && one.isAlive);
  const isSeen = (process: ProcessIdentity) =>
    isRemote(process) ||
    nodeOfProcess(process) !== undefined ||
    all().some(({ machine, isAlive }) => isAlive && isOn(machine, process));
  const isUnseen = ({ executor }: Executed) => executor.kind !== "any" && !isSeen(executor.process);

  /** A node is at one of them, or its processes are the leader's to wait for. */
  function seesThrough(node: NodeName): boolean {
    const attending = all().filter(({ isAlive, report }) => isAlive && report.nodes.includes(node));
    return attending.length === 0 ? leads() : attending.some(({ name }) => name === own);
  }

  return {
    of({ stepId, keeper }) {
      if (keeper === own) return "own";
      return isThere(keeper) || unsure.has(stepId) || !leads() ? "another's" : "orphan";
    },
    heard(step) {
      const isKept = step.keeper === own || isThere(step.keeper);
      if (!isKept || isUnseen(step)) unsure.add(step.stepId);
    },
    sees(process) {
      const node = nodeOfProcess(process);
      if (node !== undefined) return seesThrough(node);
      return isRemote(process) || all().some(({ name, machine }) => name === own && isOn(machine, process));
    },
    isOrphaned: (step) => !unsure.has(step.stepId) && isUnseen(step),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

function isOn({ bootId, pidNamespace }: Machine, process: ProcessIdentity): boolean {
  return bootId === process.bootId && pidNamespace === process.pidNamespace;
}
