import { canonicalText } from "../../domain/canonical-json.ts";
import { withDescendants } from "../../domain/descendants.ts";
import type { Grant } from "../../domain/grant.ts";
import {
  addsTo,
  alsoFor,
  connectedBy,
  type FactScope,
  factScopesOf,
  grantsOf,
  isOfPrincipal,
  isOfRun,
  NO_FACTS,
  reachedFrom,
  type ScopeFacts,
  type StepCounts,
  unitedGrants,
} from "../../domain/run-facts.ts";
import { sortedSet } from "../../domain/sorted-set.ts";
import { permits } from "../../domain/step.ts";
import type { Connection } from "./connection.ts";
import { type ClosingRow, STEP } from "./tables/step-table.ts";
import { CONNECTION, connectedWith, FACT, type FactRow, pairsOf, SHARED, scopeFactsOf } from "./tables/world-table.ts";

/** Where a step's grant counts, and whose step it is. */
export type CountedStep = { readonly runId: string; readonly scopes: readonly FactScope[] };

export type ScopesRow = Pick<ClosingRow, "runId" | "factScopes">;

export function countedStepOf({ runId, factScopes }: ScopesRow): CountedStep {
  const recorded = factScopes === null ? {} : { factScopes: JSON.parse(factScopes) as FactScope[] };
  return { runId, scopes: factScopesOf({ runId, ...recorded }) };
}

/**
 * What a step adds to what is known of its scopes, which it connects, and of the runs that these are connected with: its
 * grant, and what is known of the others.
 */
export function countGrant(db: Connection, step: CountedStep, grant: Grant): void {
  const { scopes } = step;
  const before = connectedWith(db, scopes).map((scope) => factsOf(db, scope));
  const known = unitedGrants([...before, grantsOf(grant)]);
  for (const facts of before) {
    put(db, { ...facts, ...known, version: facts.version + (addsTo(facts, known) ? 1 : 0) });
  }
  count(db, scopes, { stepsOpen: 1, steps: 1 });
  connect(db, step);
  standApart(db, scopes, before);
  workFor(db, scopes.filter(isOfRun), scopes.filter(isOfPrincipal));
}

export function countClosed(db: Connection, step: CountedStep): void {
  disconnect(db, step);
  count(db, step.scopes, { stepsOpen: -1, steps: 0 });
}

/** A step that waits for approval counts as granted nothing; it stands in its run all the same. */
export function countWaiting(db: Connection, scopes: readonly FactScope[]): void {
  standApart(
    db,
    scopes,
    scopes.map((scope) => factsOf(db, scope)),
  );
}

/** With principals for whom every step counts that stands in the run, and in those that it is reached from. */
type KeptFacts = ScopeFacts & { readonly countedFor: readonly FactScope[] };

/** Where a step stands that counts for fewer principals than the others there did, each has to be looked at again. */
function standApart(db: Connection, scopes: readonly FactScope[], all: readonly KeptFacts[]): void {
  const isLeft = (one: FactScope) => scopes.includes(one);
  const behind = all.filter(({ scope, countedFor }) => isLeft(scope) && !countedFor.every(isLeft));
  const runs = reachedFrom(
    behind.map(({ scope }) => scope),
    (run) => [...standingIn(db, run)].flatMap((row) => countedStepOf(row).scopes.filter(isOfRun)),
  );
  for (const facts of runs.map((run) => factsOf(db, run))) {
    put(db, { ...facts, countedFor: facts.countedFor.filter(isLeft) });
  }
}

function factsOf(db: Connection, scope: FactScope): KeptFacts {
  const row = db.get<FactRow>(FACT.of, { scope });
  if (row === undefined) return { ...NO_FACTS, scope, version: 0, countedFor: [] };
  return { ...scopeFactsOf(row), countedFor: JSON.parse(row.countedFor) as readonly FactScope[] };
}

function put(db: Connection, { scope, version, classes, actions, principals = [], countedFor }: KeptFacts): void {
  db.run(FACT.put, {
    scope,
    version,
    classes: canonicalText(classes),
    actions: canonicalText(actions),
    principals: canonicalText(principals),
    countedFor: canonicalText(countedFor),
  });
}

/** A decision on the run that does not know of the other is outdated from here on. */
function connect(db: Connection, step: CountedStep): void {
  const run: FactScope = `run:${step.runId}`;
  for (const other of connectedBy(step)) {
    const isNew = stepsConnecting(db, run, other) === 0;
    db.run(CONNECTION.opened, { run, other });
    if (!isNew) continue;
    const facts = factsOf(db, run);
    put(db, { ...facts, version: facts.version + 1 });
  }
}

/** What became known through the step stays known in its run: as long as it was open, nobody had to write that down. */
function disconnect(db: Connection, step: CountedStep): void {
  const run: FactScope = `run:${step.runId}`;
  const others = connectedBy(step);
  const ends = others.filter((other) => stepsConnecting(db, run, other) === 1);
  if (ends.length > 0) {
    const facts = factsOf(db, run);
    const known = unitedGrants(connectedWith(db, step.scopes).map((scope) => factsOf(db, scope)));
    if (addsTo(facts, known)) put(db, { ...facts, ...known, version: facts.version + 1 });
  }
  for (const other of others) db.run(ends.includes(other) ? CONNECTION.end : CONNECTION.closed, { run, other });
}

function stepsConnecting(db: Connection, run: FactScope, other: FactScope): number {
  return db.get<Pick<StepCounts, "stepsOpen">>(CONNECTION.one, { run, other })?.stepsOpen ?? 0;
}

/**
 * Has runs work for principals: what is not closed there, and what was delegated from it, counts for them like what is to
 * come. Where such a step counts in another run, that run works for them too.
 */
function workFor(db: Connection, runs: readonly FactScope[], principals: readonly FactScope[]): void {
  if (principals.length === 0) return;
  const all = new Set(runs);
  // The set grows while it is walked.
  for (const run of all) {
    const facts = factsOf(db, run);
    const countedFor = sortedSet([...facts.countedFor, ...principals]);
    if (countedFor.length === facts.countedFor.length) continue;
    const before = facts.principals ?? [];
    const worksFor = sortedSet([...before, ...principals]);
    const version = facts.version + (worksFor.length > before.length ? 1 : 0);
    put(db, { ...facts, version, principals: worksFor, countedFor });
    for (const row of standingIn(db, run)) {
      const { scopes } = countedStepOf(row);
      countAlsoFor(db, row, alsoFor(scopes, principals));
      for (const other of scopes.filter(isOfRun)) all.add(other);
    }
  }
}

/** The steps of a run that are not closed, and what was delegated from them. */
function standingIn(db: Connection, run: FactScope): Iterable<ClosingRow> {
  const roots = db.all<ClosingRow>(STEP.closingOfRun, { runId: run.slice("run:".length) });
  const inRun = roots.flatMap((root) =>
    withDescendants(root, ({ sequence: parentSequence }) =>
      db.all<ClosingRow>(STEP.closingChildren, { parentSequence }),
    ),
  );
  return new Map(inRun.map((one) => [one.sequence, one])).values();
}

function countAlsoFor(db: Connection, step: ClosingRow, after: readonly FactScope[]): void {
  const { scopes: before } = countedStepOf(step);
  if (after.length === before.length) return;
  db.run(STEP.countAlsoFor, { sequence: step.sequence, factScopes: canonicalText(after) });
  // One that waits for approval counts once it is approved.
  if (!permits(step.state)) return;
  for (const scope of after.slice(before.length)) db.run(FACT.count, { scope, stepsOpen: 1, steps: 1 });
  countShared(db, before, { stepsOpen: -1, steps: -1 });
  countShared(db, after, { stepsOpen: 1, steps: 1 });
}

function count(db: Connection, scopes: readonly FactScope[], change: StepCounts): void {
  for (const scope of scopes) db.run(FACT.count, { scope, ...change });
  countShared(db, scopes, change);
}

function countShared(db: Connection, inAnyOrder: readonly FactScope[], change: StepCounts): void {
  if (inAnyOrder.length < 2) return;
  const scopes = canonicalText(sortedSet(inAnyOrder));
  if (db.run(SHARED.count, { scopes, ...change }) === 1) return;
  db.run(SHARED.insert, { scopes, ...change });
  for (const pair of pairsOf(inAnyOrder)) db.run(SHARED.insertPair, { pair, scopes });
}
