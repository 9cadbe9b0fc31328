import { areWithinMachine } from "../domain/owner.ts";
import { formatProcess, type ProcessIdentity } from "../domain/process.ts";
import type { Step } from "../domain/step.ts";
import { createTally } from "../domain/tally.ts";
import type { ExecutingProcess, ExecutorSteps } from "../ports/executor-steps.ts";
import { createListeners, type Listeners } from "./listeners.ts";

export type ExecutorIndex = ExecutorSteps & {
  /** Takes up an open step, or a change of an open step. */
  put(step: Step): void;
  remove(step: Step): void;
};

/**
 * Open steps under their executors, so that the steps of a process are found without looking at all open steps.
 *
 * @param steps - the steps that are open to begin with.
 * @param failed - takes what a listener throws.
 */
export function createExecutorIndex(steps: readonly Step[], failed: (error: unknown) => void): ExecutorIndex {
  const byKey = new Map<string, Map<string, Step>>();
  /** How many trees execute steps of an agent's entry. */
  const trees = createTally();
  const listeners = new Map<string, { readonly told: Listeners; count: number }>();

  function put(step: Step): void {
    const key = keyOf(step);
    const there = byKey.get(key) ?? new Map<string, Step>();
    const isNew = !there.has(step.stepId);
    byKey.set(key, there.set(step.stepId, step));
    if (isNew) count(step, 1);
  }

  /** Counts a step in or out, and tells those whom it concerns. @param by - 1 or -1. */
  function count(step: Step, by: number): void {
    listeners.get(keyOf(step))?.told.tell();
    if (step.executor.kind !== "tree") return;
    if (by > 0) trees.add(step.agentEntryId);
    else trees.remove(step.agentEntryId);
    // Who is in the tree is known only by looking, so whoever could be is told.
    listeners.get(treesOf(step.agentEntryId))?.told.tell();
  }

  /** Where the steps are that a process executes now. */
  function placesOf(executor: ExecutingProcess): readonly string[] {
    const { process, entryIds, ancestors = () => [] } = executor;
    const own = [processOf(process), ...entryIds.map(anyOf)];
    if (!entryIds.some((entryId) => trees.of(entryId) > 0)) return own;
    return [...own, ...[process, ...ancestors()].map(treeOf)];
  }

  const at = (key: string): readonly Step[] => [...(byKey.get(key)?.values() ?? [])];

  for (const step of steps) put(step);

  return {
    put,
    remove(step) {
      const key = keyOf(step);
      const there = byKey.get(key);
      if (there?.delete(step.stepId) !== true) return;
      if (there.size === 0) byKey.delete(key);
      count(step, -1);
    },
    stepsOf: (process) => [processOf(process), treeOf(process)].flatMap(at).sort(byAge),
    executedBy(executor) {
      return placesOf(executor)
        .flatMap(at)
        .filter((step) => executor.entryIds.includes(step.agentEntryId) && isWithinReach(step, executor))
        .sort(byAge);
    },
    followExecutor(executor, changed) {
      const ends = followedOf(executor).map((key) => {
        const there = listeners.get(key) ?? { told: createListeners(failed), count: 0 };
        listeners.set(key, there);
        there.count += 1;
        const end = there.told.onChange(changed);
        return () => {
          end();
          there.count -= 1;
          if (there.count === 0) listeners.delete(key);
        };
      });
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        for (const end of ends) end();
      };
    },
  };
}

/** What is for any process of an agent on a group of nodes, is for those on the opener's machine. */
function isWithinReach({ executor, opener }: Step, { process }: ExecutingProcess): boolean {
  return executor.kind !== "any" || areWithinMachine(opener, process);
}

const byAge = (a: Step, b: Step) => a.openedSequence - b.openedSequence;

function keyOf({ executor, agentEntryId }: Step): string {
  switch (executor.kind) {
    case "any":
      return anyOf(agentEntryId);
    case "process":
      return processOf(executor.process);
    case "tree":
      return treeOf(executor.process);
  }
}

/** Where a change may be one of what the process executes. */
function followedOf({ process, entryIds }: ExecutingProcess): readonly string[] {
  return [processOf(process), treeOf(process), ...entryIds.flatMap((entryId) => [anyOf(entryId), treesOf(entryId)])];
}

const processOf = (process: ProcessIdentity) => `process ${formatProcess(process)}`;
const treeOf = (process: ProcessIdentity) => `tree ${formatProcess(process)}`;
const anyOf = (entryId: string) => `any ${entryId}`;
const treesOf = (entryId: string) => `trees ${entryId}`;
