import type { Action } from "../../../domain/grant.ts";
import type { Segment } from "../../../domain/spiffe-id.ts";
import type { UnixMicros } from "../../../domain/time.ts";
import type { UsageOutcome } from "../../../domain/usage.ts";

export const USAGE = {
  put: `
    INSERT INTO usage (step_sequence, entry_id, tool, action, outcome, calls, reported_at_us)
    SELECT sequence, @entryId, @tool, @action, @outcome, @calls, @at FROM step WHERE step_id = @stepId
    ON CONFLICT (step_sequence, tool, action, outcome, entry_id) DO UPDATE
       SET calls = excluded.calls, reported_at_us = excluded.reported_at_us`,
  callsOf: `
    SELECT u.calls FROM usage AS u JOIN step AS s ON s.sequence = u.step_sequence
     WHERE s.step_id = @stepId AND u.tool = @tool AND u.action = @action AND u.outcome = @outcome AND u.entry_id = @entryId`,
  putGap: `
    INSERT INTO usage_gap (entry_id, calls) VALUES (@entryId, @gap)
    ON CONFLICT (entry_id) DO UPDATE SET calls = excluded.calls`,
  gapOf: "SELECT calls FROM usage_gap WHERE entry_id = @entryId",
  /** For the operator's view; conditions are appended. */
  history: `
    SELECT u.usage_id AS usageId, s.step_id AS stepId, s.run_id AS runId, s.step, s.attempt, s.agent, e.name AS verifier,
           u.tool, u.action, u.outcome, u.calls, u.reported_at_us AS reportedAt,
           coalesce((SELECT g.calls FROM usage_gap AS g WHERE g.entry_id = u.entry_id), 0) AS gap
      FROM usage AS u JOIN step AS s ON s.sequence = u.step_sequence JOIN registration_entry AS e ON e.entry_id = u.entry_id`,
} as const;

export type UsageHistoryRow = {
  readonly usageId: number;
  readonly stepId: string;
  readonly runId: Segment;
  readonly step: Segment;
  readonly attempt: number;
  readonly agent: Segment;
  readonly verifier: string;
  readonly tool: string;
  readonly action: Action;
  readonly outcome: UsageOutcome;
  readonly calls: number;
  readonly reportedAt: UnixMicros;
  readonly gap: number;
};
