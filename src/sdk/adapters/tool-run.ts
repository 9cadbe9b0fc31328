import { AsyncLocalStorage } from "node:async_hooks";
import { currentStep, type Step, type Stint, StintError } from "../runtime/index.ts";

/** A run of a framework, and by which steps its tools work. */
export type ToolRun =
  /** A step for each call of a tool. */
  | {
      /** What opens them: the client, or a step, whose children they are then. */
      readonly opener: Pick<Stint, "withStep"> | Pick<Step, "withStep">;
      /** The framework's own id of the run, any string. */
      readonly runId: string;
    }
  /** One step for all calls, which whoever runs the framework opens and closes. */
  | { readonly step: Step };

const runs = new AsyncLocalStorage<ToolRun>();

/**
 * Runs a framework with a step for each call of a tool, or with one step for all of them. Two runs in one process do not see each other.
 *
 * @param work - must end after the last call: a stream is read to its end within it.
 * @example
 * await inToolRun({ opener: stint, runId: threadId }, () => generateText({ model, prompt, tools }));
 */
export function inToolRun<Result>(run: ToolRun, work: () => Result): Result {
  return runs.run(run, work);
}

/**
 * The run that a tool is called in: the one that was given with the tool, else that of `inToolRun`, else the step of `withStep`.
 *
 * @throws StintError NO_CURRENT_STEP where there is none
 */
export function toolRunOf(given: ToolRun | undefined): ToolRun {
  const run = given ?? runs.getStore();
  if (run !== undefined) return run;
  const step = currentStep();
  if (step !== undefined) return { step };
  throw new StintError("NO_CURRENT_STEP", "tools of steps are called within inToolRun or withStep");
}
