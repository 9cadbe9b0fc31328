import type { ToolRun } from "./tool-run.ts";
import type { ToolSettings } from "./work-on-call.ts";

/** Settings of an adapter whose framework says with each call in which run it is: nobody has to say it around the run. */
export type NamedRunSettings<Told> = {
  /** Opens a step for each call, in the framework's own run. Absent: `run`, or the run that the framework is run in. */
  readonly opener?: Extract<ToolRun, { readonly opener: unknown }>["opener"] | undefined;
  /** With `opener`: the run's id, where the framework's own will not do. */
  readonly runIdOf?: ((told: Told) => string) | undefined;
};

/**
 * The run of a call.
 *
 * @param told - what the framework says with the call.
 * @param ownRunId - the framework's id of the run.
 * @returns `undefined` where it is the run that the framework is run in.
 * @throws what `runIdOf` and `ownRunId` throw
 */
export function namedRunOf<Told>(
  told: Told,
  { opener, run, runIdOf }: NamedRunSettings<Told> & Pick<ToolSettings, "run">,
  ownRunId: (told: Told) => string,
): ToolRun | undefined {
  return opener === undefined ? run : { opener, runId: (runIdOf ?? ownRunId)(told) };
}
