import { formatProcess } from "../domain/process.ts";
import type { Step } from "../domain/step.ts";
import type { ExecutingProcess, ExecutorSteps } from "../ports/executor-steps.ts";

export type ExecutorIndex = ExecutorSteps & {
  /** Takes up an open step, or what has become of it. */
  put(step: Step): void;
  remove(step: Step): void;
  clear(): void;
};

/** Open steps under their executors, so that what a process may be issued is found without looking at all of them. */
export function createExecutorIndex(): ExecutorIndex {
  const steps = new Map<string, Map<string, Step>>();
  const followers = new Map<string, Set<() => void>>();

  function tell(key: string): void {
    // A copy: who is told may follow anew.
    for (const changed of [...(followers.get(key) ?? [])]) changed();
  }

  return {
    put(step) {
      const key = keyOf(step);
      const there = steps.get(key) ?? new Map<string, Step>();
      const isNew = !there.has(step.stepId);
      steps.set(key, there.set(step.stepId, step));
      if (isNew) tell(key);
    },
    remove(step) {
      const key = keyOf(step);
      const there = steps.get(key);
      if (there?.delete(step.stepId) !== true) return;
      if (there.size === 0) steps.delete(key);
      tell(key);
    },
    clear() {
      steps.clear();
      followers.clear();
    },
    executedBy(executor) {
      return keysOf(executor)
        .flatMap((key) => [...(steps.get(key)?.values() ?? [])])
        .filter((step) => executor.entryIds.includes(step.agentEntryId))
        .sort((a, b) => a.openedSequence - b.openedSequence);
    },
    followExecutor(executor, changed) {
      // Another function for each who follows: one given twice would be forgotten with whoever leaves first.
      const told = () => changed();
      const keys = keysOf(executor);
      for (const key of keys) followers.set(key, (followers.get(key) ?? new Set()).add(told));
      return () => {
        for (const key of keys) {
          const there = followers.get(key);
          there?.delete(told);
          if (there?.size === 0) followers.delete(key);
        }
      };
    },
  };
}

function keyOf({ executor, agentEntryId }: Step): string {
  return executor.kind === "any" ? anyOf(agentEntryId) : processOf(executor);
}

function keysOf(executor: ExecutingProcess): readonly string[] {
  return [processOf(executor), ...executor.entryIds.map(anyOf)];
}

const processOf = ({ process }: Pick<ExecutingProcess, "process">) => `process ${formatProcess(process)}`;
const anyOf = (entryId: string) => `any ${entryId}`;
