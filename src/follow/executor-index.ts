import { formatProcess } from "../domain/process.ts";
import type { Step } from "../domain/step.ts";
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
  const listeners = new Map<string, { readonly told: Listeners; count: number }>();

  function put(step: Step): void {
    const key = keyOf(step);
    const there = byKey.get(key) ?? new Map<string, Step>();
    const isNew = !there.has(step.stepId);
    byKey.set(key, there.set(step.stepId, step));
    if (isNew) listeners.get(key)?.told.tell();
  }

  for (const step of steps) put(step);

  return {
    put,
    remove(step) {
      const key = keyOf(step);
      const there = byKey.get(key);
      if (there?.delete(step.stepId) !== true) return;
      if (there.size === 0) byKey.delete(key);
      listeners.get(key)?.told.tell();
    },
    stepsOf: (process) => [...(byKey.get(processOf({ process }))?.values() ?? [])].sort(byAge),
    executedBy(executor) {
      return keysOf(executor)
        .flatMap((key) => [...(byKey.get(key)?.values() ?? [])])
        .filter((step) => executor.entryIds.includes(step.agentEntryId))
        .sort(byAge);
    },
    followExecutor(executor, changed) {
      const ends = keysOf(executor).map((key) => {
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

const byAge = (a: Step, b: Step) => a.openedSequence - b.openedSequence;

function keyOf({ executor, agentEntryId }: Step): string {
  return executor.kind === "any" ? anyOf(agentEntryId) : processOf(executor);
}

function keysOf(executor: ExecutingProcess): readonly string[] {
  return [processOf(executor), ...executor.entryIds.map(anyOf)];
}

const processOf = ({ process }: Pick<ExecutingProcess, "process">) => `process ${formatProcess(process)}`;
const anyOf = (entryId: string) => `any ${entryId}`;
