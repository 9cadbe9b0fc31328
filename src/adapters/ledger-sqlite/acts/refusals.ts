import { type Denial, denial } from "../../../domain/errors.ts";
import { isClosed } from "../../../domain/step.ts";
import type { Connection } from "../connection.ts";
import { AUTHORITY, type AuthorityGuard } from "../tables/authority-table.ts";
import { ENTRY, type EntryGuard } from "../tables/entry-table.ts";
import { STEP, type StepGuard } from "../tables/step-table.ts";

/** The refusals that several acts share, so that one thing is said in one way. */

export function stepNotFound(): Denial {
  return denial("STEP_NOT_FOUND", "no such step");
}

/** The step as the guards see it, or why nothing may be done with it. */
export function openStepOr(db: Connection, stepId: string): StepGuard | Denial {
  const step = db.get<StepGuard>(STEP.guardById, { stepId });
  if (step === undefined) return stepNotFound();
  if (step.state === "OPEN") return step;
  const message = isClosed(step.state) ? `the step is ${step.state}` : "the step is not open yet";
  return denial("STEP_CLOSED", message, { state: step.state });
}

/** Whether an entry is in force just as it was when something was decided on it; else the refusal. */
export function entryRefusal(db: Connection, entryId: string, revision: number): Denial | undefined {
  const entry = db.get<EntryGuard>(ENTRY.guard, { entryId });
  if (entry === undefined || entry.retiredSequence !== null) {
    return denial("NOT_ENTITLED", "the registration entry was removed");
  }
  if (entry.disabled === 1) return denial("NOT_ENTITLED", "the registration entry is disabled");
  if (entry.revision !== revision) return denial("NOT_ENTITLED", "the registration entry has changed since");
  return undefined;
}

/**
 * Why nothing may be recorded under an authority. One that became old while its draft was on the way may still be: it is
 * published for as long as that credential lives.
 */
export function authorityRefusal(db: Connection, authorityId: string): Denial | undefined {
  const authority = db.get<AuthorityGuard>(AUTHORITY.guard, { authorityId });
  if (authority === undefined) return undefined;
  const { state, tainted } = authority;
  if (tainted === 0 && (state === "active" || state === "old")) return undefined;
  return denial("AUTHORITY_UNAVAILABLE", "the authority that was to sign it signs no more");
}
