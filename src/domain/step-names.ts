import type { Step } from "./step.ts";

/** The names of a step, as templates of the configuration call them. SPIFFE path segments all of them. */
export type StepNames = Readonly<Record<"agent" | "run_id" | "step", string>>;

export function stepNamesOf({ agent, runId, step }: Pick<Step, "agent" | "runId" | "step">): StepNames {
  return { agent, run_id: runId, step };
}

/**
 * A template with the names of a step in it, e.g. `reader-{agent}`. None of the names is `.` or `..` or has a slash, so that
 * none leaves its place in a path.
 */
export function filledIn(template: string, names: StepNames): string {
  return template.replaceAll(/\{(agent|run_id|step)\}/g, (_whole, name: keyof StepNames) => names[name]);
}
