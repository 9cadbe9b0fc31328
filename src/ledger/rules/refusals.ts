import type { DecidedOn } from "../../domain/decision.ts";
import { type Denial, denial } from "../../domain/errors.ts";
import { isClosed } from "../../domain/step.ts";
import { read } from "../rule.ts";
import type { GuardedAuthority, GuardedEntry, GuardedStep, LedgerView } from "../view.ts";

/** The refusals that several rules share, so that the same refusal always has the same words. */

export function stepNotFound(): Denial {
  return denial("STEP_NOT_FOUND", "no such step");
}

/** Why nothing may be done with a step, unless it is open. */
export function stepRefusal(step: Pick<GuardedStep, "state"> | undefined): Denial | undefined {
  if (step === undefined) return stepNotFound();
  if (step.state === "OPEN") return undefined;
  const message = isClosed(step.state) ? `the step is ${step.state}` : "the step is not open yet";
  return denial("STEP_CLOSED", message, { state: step.state });
}

/**
 * The reads whose answers `eachDecidedOn` needs. What several of the decisions were made on is read once: those of one run
 * are made on the same facts and risks.
 */
export function guardsOf(decisions: readonly DecidedOn[]) {
  const { entryIds, worlds, factScopes, riskScopes } = decidedOnTogether(decisions);
  return {
    guardedEntries: entryIds.map((entryId) => read("entry", entryId)),
    guardedPolicies: worlds.length === 0 ? undefined : read("policiesInForce"),
    guardedFacts: factScopes.map((scope) => read("facts", scope)),
    guardedRisks: riskScopes.map((scope) => read("risk", scope)),
  };
}

function decidedOnTogether(decisions: readonly DecidedOn[]) {
  const worlds = decisions.flatMap(({ world }) => (world === undefined ? [] : [world]));
  const entryIds = decisions.flatMap(({ entries }) => entries.map(({ entryId }) => entryId));
  const factScopes = worlds.flatMap(({ facts }) => facts.map(({ scope }) => scope));
  const riskScopes = worlds.flatMap(({ risk }) => risk.map(({ scope }) => scope));
  return {
    worlds,
    entryIds: [...new Set(entryIds)],
    factScopes: [...new Set(factScopes)],
    riskScopes: [...new Set(riskScopes)],
  };
}

/** The answers to `guardsOf`. */
export type Guards = {
  readonly guardedEntries: readonly (GuardedEntry | undefined)[];
  readonly guardedPolicies: ReturnType<LedgerView["policiesInForce"]> | undefined;
  readonly guardedFacts: readonly ReturnType<LedgerView["facts"]>[];
  readonly guardedRisks: readonly ReturnType<LedgerView["risk"]>[];
};

/**
 * Tells of each decision why it can't be recorded any more.
 *
 * @param decisions - those that `guardsOf` was given.
 */
export function eachDecidedOn(
  decisions: readonly DecidedOn[],
  guards: Guards,
): (decidedOn: DecidedOn) => Denial | undefined {
  const { entryIds, factScopes, riskScopes } = decidedOnTogether(decisions);
  const entries = new Map(entryIds.map((entryId, index) => [entryId, guards.guardedEntries[index]]));
  const factsNow = new Map(factScopes.map((scope, index) => [scope, guards.guardedFacts[index]]));
  const risksNow = new Map(riskScopes.map((scope, index) => [scope, guards.guardedRisks[index]]));
  return (decidedOn) => {
    const ofEntries = decidedOn.entries.map(({ entryId, revision }) => entryRefusal(entries.get(entryId), revision));
    const { world } = decidedOn;
    if (world === undefined) return ofEntries.find((refusal) => refusal !== undefined);
    const changed = [
      guards.guardedPolicies?.sequence !== world.policies ? "the policies in force" : undefined,
      ...world.facts.map(({ scope, version, steps }) => {
        const now = factsNow.get(scope) ?? NO_FACTS;
        const isSame = now.version === version && (steps === undefined || now.steps === steps);
        return isSame ? undefined : "what the run was granted";
      }),
      ...world.risk.map(({ scope, sequence }) =>
        (risksNow.get(scope)?.sequence ?? 0) === sequence ? undefined : "the risk",
      ),
    ].find((what) => what !== undefined);
    return (
      ofEntries.find((refusal) => refusal !== undefined) ?? (changed === undefined ? undefined : outdated(changed))
    );
  };
}

const NO_FACTS = { version: 0, steps: 0 };

/** The refusal of what was decided on a state of the world that is no more: to be decided again. */
export function outdated(what: string): Denial {
  return denial("DECISION_OUTDATED", `${what} changed while this was decided: ask again`);
}

function entryRefusal(entry: GuardedEntry | undefined, revision: number): Denial | undefined {
  if (entry === undefined || entry.isRetired) return denial("NOT_ENTITLED", "the registration entry was removed");
  if (entry.isDisabled) return denial("NOT_ENTITLED", "the registration entry is disabled");
  if (entry.revision !== revision) return outdated("the registration entry");
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
