import type { Action } from "../../../domain/grant.ts";
import type { RiskLevel } from "../../../domain/risk.ts";
import type { FactScope, ScopeFacts } from "../../../domain/run-facts.ts";
import type { UnixSeconds } from "../../../domain/time.ts";

/** What decisions are made on beside the policies: what was granted so far, and the risk. */
export const FACT = {
  of: "SELECT scope, version, classes, actions, steps_open AS stepsOpen, steps FROM fact WHERE scope = @scope",
  guard: "SELECT version, steps FROM fact WHERE scope = @scope",
  put: `
    INSERT INTO fact (scope, version, classes, actions, steps_open, steps)
    VALUES (@scope, @version, @classes, @actions, @stepsOpen, @steps)
    ON CONFLICT (scope) DO UPDATE SET version = excluded.version, classes = excluded.classes, actions = excluded.actions,
                                      steps_open = excluded.steps_open, steps = excluded.steps`,
  countClosed: "UPDATE fact SET steps_open = steps_open - 1 WHERE scope = @scope",
} as const;

export type FactRow = {
  readonly scope: FactScope;
  readonly version: number;
  readonly classes: string;
  readonly actions: string;
  readonly stepsOpen: number;
  readonly steps: number;
};

export function scopeFactsOf({ classes, actions, ...row }: FactRow): ScopeFacts {
  return {
    ...row,
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
