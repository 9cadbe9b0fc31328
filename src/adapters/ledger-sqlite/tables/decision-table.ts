import type { Decision } from "../../../domain/decision.ts";
import type { DecisionMade } from "../../../domain/ledger-event.ts";
import type { SqlParameters } from "../connection.ts";
import { eventOf } from "./event-table.ts";

export const DECISION = {
  insert: `
    INSERT INTO decision (
      sequence, decision_id, act, effect, reason, caller_entry_id, agent, run_id, step, attempt, step_id, count)
    VALUES (
      @sequence, @decisionId, @act, @effect, @reason, @callerEntryId, @agent, @runId, @step, @attempt, @stepId, @count)`,
  /** Links a decision to the step it is about, where that is known. */
  linkToStep: `
    INSERT INTO step_event (step_sequence, sequence)
    SELECT s.sequence, d.sequence
      FROM decision AS d JOIN step AS s ON s.step_id = d.step_id
     WHERE d.sequence = @sequence
    ON CONFLICT DO NOTHING`,
  linkOpening: `
    INSERT INTO step_event (step_sequence, sequence)
    SELECT @stepSequence, sequence FROM decision WHERE decision_id = @decisionId
    ON CONFLICT DO NOTHING`,
  /** For the operator's view; conditions are appended. */
  history: "SELECT d.sequence, e.canonical FROM decision AS d JOIN event AS e ON e.sequence = d.sequence",
} as const;

export type DecisionRow = { readonly sequence: number; readonly canonical: Uint8Array };

export function decisionOf(row: DecisionRow): Decision & { readonly sequence: number } {
  const { decision } = eventOf(row.canonical) as DecisionMade;
  return { ...decision, sequence: row.sequence };
}

export function parametersOfDecision(decision: Decision, sequence: number): SqlParameters {
  return {
    sequence,
    decisionId: decision.decisionId,
    act: decision.act,
    effect: decision.effect,
    reason: decision.reason ?? null,
    callerEntryId: decision.callerEntryId ?? null,
    agent: decision.agent ?? null,
    runId: decision.runId ?? null,
    step: decision.step ?? null,
    attempt: decision.attempt ?? null,
    stepId: decision.stepId ?? null,
    count: decision.count,
  };
}
