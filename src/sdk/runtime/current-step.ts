import { AsyncLocalStorage } from "node:async_hooks";
import type { Step } from "./step.ts";

const steps = new AsyncLocalStorage<Step>();

/** The step whose `withStep` this runs in, the innermost one; `undefined` outside of all. */
export function currentStep(): Step | undefined {
  return steps.getStore();
}

/** Runs `work` with the step as the current one, also across everything that it awaits. */
export function runInStep<Result>(step: Step, work: () => Result): Result {
  return steps.run(step, work);
}
