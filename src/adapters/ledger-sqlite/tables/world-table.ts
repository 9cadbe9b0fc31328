import type { Action } from "../../../domain/grant.ts";
import type { RiskLevel } from "../../../domain/risk.ts";
import { type FactScope, isOfRun, reachedFrom, type ScopeFacts, type StepCounts } from "../../../domain/run-facts.ts";
import { sortedSet } from "../../../domain/sorted-set.ts";
import type { UnixSeconds } from "../../../domain/time.ts";
import type { Connection } from "../connection.ts";

/** What decisions are made on beside the policies: what was granted so far, and the risk. */
export const FACT = {
  of: `
    SELECT scope, version, classes, actions, principals, counted_for AS countedFor, steps_open AS stepsOpen, steps
      FROM fact WHERE scope = @scope`,
  guard: "SELECT version, steps FROM fact WHERE scope = @scope",
  put: `
    INSERT INTO fact (scope, version, classes, actions, principals, counted_for, steps_open, steps)
    VALUES (@scope, @version, @classes, @actions, @principals, @countedFor, 0, 0)
    ON CONFLICT (scope) DO UPDATE SET version = excluded.version, classes = excluded.classes, actions = excluded.actions,
                                      principals = excluded.principals, counted_for = excluded.counted_for`,
  count: "UPDATE fact SET steps_open = steps_open + @stepsOpen, steps = steps + @steps WHERE scope = @scope",
} as const;

/**
 * How many steps count in exactly these scopes, which are two or more. They are found by each pair of their scopes, so that
 * a look at some scopes reads those alone that it has to.
 */
export const SHARED = {
  ofPair: `
    SELECT s.scopes, s.steps_open AS stepsOpen, s.steps
      FROM fact_pair AS p CROSS JOIN fact_shared AS s ON s.scopes = p.scopes WHERE p.pair = @pair`,
  count: `
    UPDATE fact_shared SET steps_open = steps_open + @stepsOpen, steps = steps + @steps WHERE scopes = @scopes`,
  insert: "INSERT INTO fact_shared (scopes, steps_open, steps) VALUES (@scopes, @stepsOpen, @steps)",
  insertPair: "INSERT INTO fact_pair (pair, scopes) VALUES (@pair, @scopes)",
} as const;

/** Which runs a run is connected with, by how many open steps. */
export const CONNECTION = {
  of: "SELECT other FROM fact_connection WHERE run = @run",
  one: "SELECT steps_open AS stepsOpen FROM fact_connection WHERE run = @run AND other = @other",
  opened: `
    INSERT INTO fact_connection (run, other, steps_open) VALUES (@run, @other, 1)
    ON CONFLICT (run, other) DO UPDATE SET steps_open = fact_connection.steps_open + 1`,
  closed: "UPDATE fact_connection SET steps_open = steps_open - 1 WHERE run = @run AND other = @other",
  end: "DELETE FROM fact_connection WHERE run = @run AND other = @other",
} as const;

/** These scopes, and the runs that those among them are connected with: what is granted in one of all may be known in each. */
export function connectedWith(db: Pick<Connection, "all">, scopes: readonly FactScope[]): readonly FactScope[] {
  return reachedFrom(scopes, (scope) =>
    isOfRun(scope)
      ? db.all<{ readonly other: FactScope }>(CONNECTION.of, { run: scope }).map(({ other }) => other)
      : [],
  );
}

export type SharedRow = StepCounts & { readonly scopes: string };

/** Every two of these scopes, written as in `fact_pair`. */
export function pairsOf(scopes: readonly FactScope[]): readonly string[] {
  const sorted = sortedSet(scopes);
  return sorted.flatMap((one, index) => sorted.slice(index + 1).map((other) => `${one} ${other}`));
}

export type FactRow = {
  readonly scope: FactScope;
  readonly version: number;
  readonly classes: string;
  readonly actions: string;
  readonly principals: string;
  readonly countedFor: string;
  readonly stepsOpen: number;
  readonly steps: number;
};

export function scopeFactsOf({ scope, version, stepsOpen, steps, classes, actions, ...row }: FactRow): ScopeFacts {
  const principals = JSON.parse(row.principals) as readonly FactScope[];
  return {
    scope,
    version,
    stepsOpen,
    steps,
    ...(principals.length === 0 ? {} : { principals }),
    classes: JSON.parse(classes) as readonly string[],
    actions: JSON.parse(actions) as readonly Action[],
  };
}

const RISK_COLUMNS = "scope, level, expires_at_s AS expiresAt, sequence, reason";

export type RiskGuardRow = {
  readonly sequence: number;
  readonly level: RiskLevel;
  readonly expiresAt: UnixSeconds;
  readonly risenSequence: number;
};

export const RISK = {
  of: `SELECT ${RISK_COLUMNS} FROM risk WHERE scope = @scope`,
  guard:
    "SELECT sequence, level, expires_at_s AS expiresAt, risen_sequence AS risenSequence FROM risk WHERE scope = @scope",
  put: `
    INSERT INTO risk (scope, level, expires_at_s, reason, sequence, risen_sequence)
    VALUES (@scope, @level, @expiresAt, @reason, @sequence, @risenSequence)
    ON CONFLICT (scope) DO UPDATE SET level = excluded.level, expires_at_s = excluded.expires_at_s,
                                      reason = excluded.reason, sequence = excluded.sequence,
                                      risen_sequence = excluded.risen_sequence`,
  roseAt: `
    SELECT coalesce(max(risen_sequence), 0) AS sequence FROM risk
     WHERE scope IN (SELECT value FROM json_each(@scopes))`,
  live: `SELECT ${RISK_COLUMNS} FROM risk WHERE expires_at_s > @now ORDER BY scope`,
} as const;
