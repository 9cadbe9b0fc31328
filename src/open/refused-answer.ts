import type { Asked } from "../decide/recording-refusals.ts";
import { isOfKind } from "../domain/registration-entry.ts";
import type { Attested } from "../domain/stages.ts";
import type { StepDirectory } from "../ports/directories.ts";

/**
 * What an operator tried who may not answer a step that waits: by which entry, and which step.
 *
 * @param stepId - as the caller named the step; of a step that nobody knows no more is recorded than who tried.
 */
export async function refusedAnswer(
  { entries }: Attested,
  stepId: string,
  { stepDirectory }: { readonly stepDirectory: Pick<StepDirectory, "byId"> },
): Promise<Asked> {
  const entry = entries.find((one) => isOfKind(one, "operator"));
  const by = { act: "administer", ...(entry === undefined ? {} : { callerEntryId: entry.entryId }) } as const;
  const named = await stepDirectory.byId(stepId);
  if (named === undefined) return by;
  const { agent, runId, step, attempt, grant } = named;
  return { ...by, agent, runId, step, attempt, stepId: named.stepId, requested: grant };
}
