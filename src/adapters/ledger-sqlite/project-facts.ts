import { canonicalText } from "../../domain/canonical-json.ts";
import { withDescendants } from "../../domain/descendants.ts";
import type { Grant } from "../../domain/grant.ts";
import {
  addsTo,
  alsoFor,
  type FactScope,
  factScopesOf,
  grantsOf,
  isOfPrincipal,
  NO_FACTS,
  type ScopeFacts,
  type StepCounts,
  unitedGrants,
} from "../../domain/run-facts.ts";
import { sortedSet } from "../../domain/sorted-set.ts";
import { permits } from "../../domain/step.ts";
import type { Connection } from "./connection.ts";
import { type ClosingRow, STEP } from "./tables/step-table.ts";
import { FACT, type FactRow, pairsOf, SHARED, scopeFactsOf } from "./tables/world-table.ts";

export type ScopesRow = Pick<ClosingRow, "runId" | "factScopes">;

export function scopesOfRow({ runId, factScopes }: ScopesRow): readonly FactScope[] {
  return factScopesOf({ runId, ...(factScopes === null ? {} : { factScopes: JSON.parse(factScopes) as FactScope[] }) });
}

/** What a step that connects these scopes adds to what is known of each: its grant, and what is known of the others. */
export function countGrant(db: Connection, scopes: readonly FactScope[], grant: Grant): void {
  const before = scopes.map((scope) => factsOf(db, scope));
  const known = unitedGrants([...before, grantsOf(grant)]);
  const principals = scopes.filter(isOfPrincipal);
  const joining = before.filter((facts) => !isOfPrincipal(facts.scope) && isNewTo(facts, principals));
  for (const facts of before) {
    const grown = addsTo(facts, known) || joining.includes(facts) ? 1 : 0;
    put(db, { ...facts, ...known, version: facts.version + grown }, principals);
  }
  count(db, scopes, { stepsOpen: 1, steps: 1 });
  for (const { scope } of joining) countAlsoFor(db, scope, principals);
}

export function countClosed(db: Connection, scopes: readonly FactScope[]): void {
  count(db, scopes, { stepsOpen: -1, steps: 0 });
}

function factsOf(db: Connection, scope: FactScope): ScopeFacts {
  const row = db.get<FactRow>(FACT.of, { scope });
  return row === undefined ? { ...NO_FACTS, scope, version: 0 } : scopeFactsOf(row);
}

function isNewTo({ principals: known = [] }: ScopeFacts, principals: readonly FactScope[]): boolean {
  return principals.some((one) => !known.includes(one));
}

function put(db: Connection, facts: ScopeFacts, joined: readonly FactScope[]): void {
  const { scope, version, classes, actions, principals = [] } = facts;
  db.run(FACT.put, {
    scope,
    version,
    classes: canonicalText(classes),
    actions: canonicalText(actions),
    principals: canonicalText(isOfPrincipal(scope) ? [] : sortedSet([...principals, ...joined])),
  });
}

/**
 * Has the steps of a run that are not closed, and what was delegated from them, count for principals whom the run begins to
 * work for: what is open then is a step of theirs like those to come.
 */
function countAlsoFor(db: Connection, run: FactScope, principals: readonly FactScope[]): void {
  const roots = db.all<ClosingRow>(STEP.closingOfRun, { runId: run.slice("run:".length) });
  const inRun = roots.flatMap((root) =>
    withDescendants(root, ({ sequence: parentSequence }) =>
      db.all<ClosingRow>(STEP.closingChildren, { parentSequence }),
    ),
  );
  for (const step of new Map(inRun.map((one) => [one.sequence, one])).values()) {
    const before = scopesOfRow(step);
    const after = alsoFor(before, principals);
    if (after.length === before.length) continue;
    db.run(STEP.countAlsoFor, { sequence: step.sequence, factScopes: canonicalText(after) });
    // One that waits for approval counts once it is approved.
    if (!permits(step.state)) continue;
    for (const scope of after.slice(before.length)) db.run(FACT.count, { scope, stepsOpen: 1, steps: 1 });
    countShared(db, before, { stepsOpen: -1, steps: -1 });
    countShared(db, after, { stepsOpen: 1, steps: 1 });
  }
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
