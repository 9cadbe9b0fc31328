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
 * own run, the runs that it was delegated from, and where the configuration says so its principal and whomever these runs
 * have worked for. Such a step connects its scopes: what is known of one of them is from then on known of all. As long as it
 * is open, what any step of its own run is granted is known in the runs that it was delegated from, and the other way round.
 */
export type FactScope = `run:${string}` | `principal:${string}`;

/** How many steps there are, each of them counted once. */
export type StepCounts = Pick<RunFacts, "stepsOpen" | "steps">;

/**
 * The facts of one scope as the ledger keeps them. `version` grows with each grant that adds a class or an action, with each
 * principal that the run had not worked for before, and when a step connects the run with another.
 */
export type ScopeFacts = RunFacts & {
  readonly scope: FactScope;
  readonly version: number;
  /** Scopes of the principals that the run has worked for, sorted; absent: none in whose scope its grants counted. */
  readonly principals?: readonly FactScope[];
};

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

export function isOfPrincipal(scope: FactScope): boolean {
  return scope.startsWith("principal:");
}

export function isOfRun(scope: FactScope): scope is `run:${string}` {
  return scope.startsWith("run:");
}

/**
 * The runs that a step connects its own run with as long as it is open: the others in which its grant counts. What is
 * granted there may reach its own run through it, and the other way round.
 */
export function connectedBy({
  runId,
  scopes,
}: {
  readonly runId: string;
  readonly scopes: readonly FactScope[];
}): readonly FactScope[] {
  return scopes.filter((scope) => isOfRun(scope) && scope !== `run:${runId}`);
}

/** These scopes, and all that are reached from them, each once. */
export function reachedFrom(
  scopes: readonly FactScope[],
  next: (scope: FactScope) => Iterable<FactScope>,
): readonly FactScope[] {
  const reached = new Set(scopes);
  // The set grows while it is walked.
  for (const scope of reached) for (const one of next(scope)) reached.add(one);
  return [...reached];
}

/** The scopes of a step of which it turns out that its run works for these principals too. */
export function alsoFor(scopes: readonly FactScope[], principals: readonly FactScope[]): readonly FactScope[] {
  return [...scopes, ...principals.filter((one) => !scopes.includes(one))];
}

/** What was granted in several scopes, taken together. */
export function unitedGrants(all: readonly RunGrants[]): RunGrants {
  return {
    classes: sortedSet(all.flatMap(({ classes }) => classes)),
    actions: sortedSet(all.flatMap(({ actions }) => actions)),
  };
}

/** The part of the facts that grants add to. */
export type RunGrants = Pick<RunFacts, "classes" | "actions">;

/** The facts once a step with this grant was opened. */
export function withGrant({ stepsOpen, steps, ...granted }: RunFacts, grant: Grant): RunFacts {
  return { ...unitedGrants([granted, grantsOf(grant)]), stepsOpen: stepsOpen + 1, steps: steps + 1 };
}

export function grantsOf(grant: Grant): RunGrants {
  return {
    classes: sortedSet(grant.flatMap(({ datatypes }) => datatypes)),
    actions: sortedSet(grant.flatMap(({ actions }) => actions)),
  };
}

/** Whether `whole`, which holds all that `part` holds, has a class or an action more. */
export function addsTo(part: RunGrants, whole: RunGrants): boolean {
  return whole.classes.length > part.classes.length || whole.actions.length > part.actions.length;
}
