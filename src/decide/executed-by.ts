import type { Executor } from "../domain/executor.ts";
import { areWithinMachine } from "../domain/owner.ts";
import { sameProcess } from "../domain/process.ts";
import type { Attested } from "../domain/stages.ts";
import type { Step } from "../domain/step.ts";

type Caller = Pick<Attested, "process" | "ancestors">;

/**
 * Whether a caller's process is one that the step's executor names: of any, on a group of nodes one of the opener's machine.
 * For a tree, this looks up the processes above the caller.
 */
export function isExecutedBy({ executor, opener }: Pick<Step, "executor" | "opener">, caller: Caller): boolean {
  switch (executor.kind) {
    case "any":
      return areWithinMachine(opener, caller.process);
    case "process":
      return sameProcess(executor.process, caller.process);
    case "tree":
      return sameProcess(executor.process, caller.process) || isBelow(executor, caller);
  }
}

/** Whether the caller's chain of parents reaches the executor's process. */
export function isBelow(executor: Executor, caller: Caller): boolean {
  if (executor.kind === "any") return false;
  return caller.ancestors?.().some((one) => sameProcess(one, executor.process)) === true;
}

/** What a process is told that an executor started, and that therefore seems to itself to be within the step. */
export const STARTED_BY_EXECUTOR =
  "the step is its executor's alone, and the calling process was started by it: open the step with executor tree " +
  "(stint step run --executor tree), which the agent's entry has to allow (allow_executor_tree)";
