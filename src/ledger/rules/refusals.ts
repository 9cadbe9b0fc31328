import type { DecidedOn } from "../../domain/decision.ts";
import { type Denial, denial } from "../../domain/errors.ts";
import { isClosed } from "../../domain/step.ts";
import { type Question, read } from "../rule.ts";
import type { GuardedAuthority, GuardedEntry, GuardedStep } from "../view.ts";

/** The refusals that several rules share, so that the same refusal always has the same words. */

export function stepNotFound(): Denial {
  return denial("STEP_NOT_FOUND", "no such step");
}

/** Why nothing may be done with a step, unless it is open. */
export function stepRefusal(step: GuardedStep | undefined): Denial | undefined {
  if (step === undefined) return stepNotFound();
  if (step.state === "OPEN") return undefined;
  const message = isClosed(step.state) ? `the step is ${step.state}` : "the step is not open yet";
  return denial("STEP_CLOSED", message, { state: step.state });
}

/** The reads whose answers `decidedOnRefusal` needs, in the order of `decidedOn.entries`. */
export function entriesOf({ entries }: DecidedOn): readonly Question<"entry">[] {
  return entries.map(({ entryId }) => read("entry", entryId));
}

/**
 * The refusal when an entry that something was decided on is not as it was then; `undefined` when all still stand.
 *
 * @param entries - the answers to `entriesOf`.
 */
export function decidedOnRefusal(
  decidedOn: DecidedOn,
  entries: readonly (GuardedEntry | undefined)[],
): Denial | undefined {
  for (const [index, { revision }] of decidedOn.entries.entries()) {
    const refusal = entryRefusal(entries[index], revision);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

function entryRefusal(entry: GuardedEntry | undefined, revision: number): Denial | undefined {
  if (entry === undefined || entry.isRetired) return denial("NOT_ENTITLED", "the registration entry was removed");
  if (entry.isDisabled) return denial("NOT_ENTITLED", "the registration entry is disabled");
  if (entry.revision !== revision) return denial("NOT_ENTITLED", "the registration entry has changed since");
  return undefined;
}

/**
 * Why nothing may be recorded under an authority. An authority that became old while a draft was on the way is not
 * refused: it is published for as long as the draft's credential lives.
 */
export function authorityRefusal(authority: GuardedAuthority | undefined): Denial | undefined {
  if (authority === undefined) return undefined;
  const { state, isTainted } = authority;
  if (!isTainted && (state === "active" || state === "old")) return undefined;
  return denial("AUTHORITY_UNAVAILABLE", "the authority that was to sign it signs no more");
}
