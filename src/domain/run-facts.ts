import type { Action, Grant } from "./grant.ts";
import { sortedSet } from "./sorted-set.ts";

/** What was granted so far in a run, and in the runs that it was delegated from. */
export type RunFacts = {
  /** Data classes that a step was granted, sorted. */
  readonly classes: readonly string[];
  /** Actions that a step was granted, sorted. */
  readonly actions: readonly Action[];
  /** Steps that are open now. */
  readonly stepsOpen: number;
  /** Steps that were ever opened. */
  readonly steps: number;
};

export const NO_FACTS: RunFacts = { classes: [], actions: [], stepsOpen: 0, steps: 0 };

/**
 * Whose facts are kept: of a run, or of all runs of a principal. A grant counts in every scope that its step is in: its
 * own run, the runs that it was delegated from, and its principal where the configuration says so. Such a step connects
 * its scopes: what is known of one of them is from then on known of all.
 */
export type FactScope = `run:${string}` | `principal:${string}`;

/** The facts of one scope as the ledger keeps them. `version` grows with each grant that adds a class or an action. */
export type ScopeFacts = RunFacts & { readonly scope: FactScope; readonly version: number };

/** The scopes in which a step's grant counts. */
export function factScopesOf({
  runId,
  factScopes,
}: {
  readonly runId: string;
  readonly factScopes?: readonly FactScope[];
}): readonly FactScope[] {
  return factScopes ?? [`run:${runId}`];
}

/** The facts of several scopes, taken together. */
export function unitedFacts(all: readonly RunFacts[]): RunFacts {
  return {
    classes: sortedSet(all.flatMap(({ classes }) => classes)),
    actions: sortedSet(all.flatMap(({ actions }) => actions)),
    stepsOpen: all.reduce((sum, { stepsOpen }) => sum + stepsOpen, 0),
    steps: all.reduce((sum, { steps }) => sum + steps, 0),
  };
}

/** The facts once a grant was added to them. */
export function withGrant({ classes, actions, stepsOpen, steps }: RunFacts, grant: Grant): RunFacts {
  return {
    classes: sortedSet([...classes, ...grant.flatMap(({ datatypes }) => datatypes)]),
    actions: sortedSet([...actions, ...grant.flatMap((element) => element.actions)]),
    stepsOpen: stepsOpen + 1,
    steps: steps + 1,
  };
}

/** Whether `whole`, which holds all that `part` holds, has a class or an action more. */
export function addsTo(part: RunFacts, whole: RunFacts): boolean {
  return whole.classes.length > part.classes.length || whole.actions.length > part.actions.length;
}
