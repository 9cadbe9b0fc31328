import { canonicalText } from "../../../domain/canonical-json.ts";
import type { Decision } from "../../../domain/decision.ts";
import type { DecisionMade } from "../../../domain/ledger-event.ts";
import type { SqlParameters } from "../connection.ts";
import { eventOf } from "./event-table.ts";

export const DECISION = {
  insert: `
    INSERT INTO decision (
      sequence, decision_id, act, effect, reason, decided_at_us, recorded_at_us, caller_entry_id, agent, run_id, step,
      attempt, step_id, requested, granted, refused, determining_policies, policy_digest, count)
    VALUES (
      @sequence, @decisionId, @act, @effect, @reason, @decidedAt, @recordedAt, @callerEntryId, @agent, @runId, @step,
      @attempt, @stepId, @requested, @granted, @refused, @determiningPolicies, @policyDigest, @count)`,
  /** Links a decision to the step it is about, where that step exists. */
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
  history: `
    SELECT d.sequence, (SELECT e.canonical FROM event AS e WHERE e.sequence = d.sequence) AS canonical
      FROM decision AS d`,
} as const;

export type DecisionRow = { readonly sequence: number; readonly canonical: Uint8Array };

/** A decision as its event has it: the columns are for finding it. */
export function decisionOf({ sequence, canonical }: DecisionRow): Decision & { readonly sequence: number } {
  const { decision } = eventOf(canonical) as DecisionMade;
  return { sequence, ...decision };
}

export function parametersOfDecision({ decision, at }: DecisionMade, sequence: number): SqlParameters {
  return {
    sequence,
    decisionId: decision.decisionId,
    act: decision.act,
    effect: decision.effect,
    reason: decision.reason ?? null,
    decidedAt: decision.decidedAt,
    recordedAt: at,
    callerEntryId: decision.callerEntryId ?? null,
    agent: decision.agent ?? null,
    runId: decision.runId ?? null,
    step: decision.step ?? null,
    attempt: decision.attempt ?? null,
    stepId: decision.stepId ?? null,
    requested: canonicalText(decision.requested),
    granted: canonicalText(decision.granted),
    refused: canonicalText(decision.refused),
    determiningPolicies: canonicalText(decision.determiningPolicies),
    policyDigest: decision.policyDigest,
    count: decision.count,
  };
}
