import type { ToolCall } from "../domain/decision.ts";
import type { Grant } from "../domain/grant.ts";
import { isOfKind } from "../domain/registration-entry.ts";
import type { Attested } from "../domain/stages.ts";
import type { Step } from "../domain/step.ts";
import type { Asked } from "./recording-refusals.ts";

/** What an operator answers: a step that waits, or a call of one. */
export type Answered = {
  readonly step: Pick<Step, "stepId" | "agent" | "runId" | "step" | "attempt">;
  readonly requested: Grant;
  readonly call?: ToolCall;
};

/**
 * The record of somebody who may not answer what waits: by which entry, and what, is as much a fact of the refusal as the
 * caller.
 *
 * @param named - what the caller named; of what nobody knows no more is recorded than who tried.
 */
export function refusedAnswer({ entries }: Attested, named: Answered | undefined): Asked {
  const entry = entries.find((one) => isOfKind(one, "operator"));
  const by = entry === undefined ? {} : { callerEntryId: entry.entryId };
  if (named === undefined) return { act: "administer", ...by };
  const { requested, call } = named;
  const { agent, runId, step, attempt, stepId } = named.step;
  return {
    ...{ act: "administer", ...by, agent, runId, step, attempt, stepId, requested },
    ...(call === undefined ? {} : { call }),
  };
}
