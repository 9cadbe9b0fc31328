import type { StepClosed } from "../../domain/ledger-event.ts";
import type { CloseResult } from "../../ports/ledger.ts";
import type { Connection } from "./connection.ts";
import { EVENT, eventOf } from "./tables/event-table.ts";
import { STEP, type StepGuard } from "./tables/step-table.ts";

/**
 * The close that ended a step, which may have been its ancestor's, told from its event and the parent links.
 *
 * @param limit - where the list of step ids is cut.
 * @returns `undefined` while the step is open, and for a step there is not.
 */
export function recordedClose(db: Connection, stepId: string, limit: number): CloseResult | undefined {
  const sequence = db.get<StepGuard>(STEP.guardById, { stepId })?.closedSequence ?? undefined;
  if (sequence === undefined) return undefined;
  const row = db.get<{ readonly canonical: Uint8Array }>(EVENT.canonicalAt, { sequence });
  if (row === undefined) return undefined;
  const event = eventOf(row.canonical) as StepClosed;
  const steps = db.all<{ readonly stepId: string }>(STEP.closedSubtreeIds, {
    rootStepId: event.stepId,
    closedSequence: sequence,
    limit,
  });
  return {
    kind: "closed",
    sequence,
    closedAt: event.at,
    alreadyClosed: true,
    stepsClosed: event.count,
    credentialsRevoked: event.revoked,
    stepIds: steps.map((step) => step.stepId),
  };
}
