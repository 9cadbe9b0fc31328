import { canonicalText } from "../../../domain/canonical-json.ts";
import type { Decision, OpenerFacts, RefusedCaller, Situation, ToolCall } from "../../../domain/decision.ts";
import type { ErrorCode } from "../../../domain/errors.ts";
import type { Grant } from "../../../domain/grant.ts";
import type { DecisionMade } from "../../../domain/ledger-event.ts";
import type { Segment } from "../../../domain/spiffe-id.ts";
import type { UnixMicros } from "../../../domain/time.ts";
import type { EvaluatedDecision } from "../../../ports/ledger-reads.ts";
import type { SqlParameters } from "../connection.ts";

export const DECISION = {
  sequenceOf: "SELECT sequence FROM decision WHERE decision_id = @decisionId",
  insert: `
    INSERT INTO decision (
      sequence, decision_id, act, effect, reason, message, caller, decided_at_us, recorded_at_us, caller_entry_id, agent,
      run_id, step, attempt, step_id, requested, granted, refused, determining_policies, policy_digest, policy_errors, situation, opening,
      closes, approval, count, call)
    VALUES (
      @sequence, @decisionId, @act, @effect, @reason, @message, @caller, @decidedAt, @recordedAt, @callerEntryId, @agent,
      @runId, @step, @attempt, @stepId, @requested, @granted, @refused, @determiningPolicies, @policyDigest, @policyErrors,
      @situation, @opening, @closes, @approval, @count, @call)`,
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
  opening: "SELECT coalesce(situation, opening) AS opening FROM decision WHERE decision_id = @decisionId",
  /** For the operator's view; conditions are appended. */
  history: `
    SELECT d.sequence, d.decision_id AS decisionId, d.act, d.effect, d.reason, d.message, d.caller, d.decided_at_us AS decidedAt,
           d.caller_entry_id AS callerEntryId, d.agent, d.run_id AS runId, d.step, d.attempt, d.step_id AS stepId,
           d.requested, d.granted, d.refused, d.determining_policies AS determiningPolicies,
           d.policy_digest AS policyDigest, d.policy_errors AS policyErrors, d.situation, d.opening, d.closes, d.approval,
           d.count, d.call
      FROM decision AS d`,
  /** Of a step that was opened; conditions are appended. */
  evaluated: `
    SELECT d.sequence, d.decision_id AS decisionId, d.act, d.effect, d.reason, NULL AS message, NULL AS caller,
           d.decided_at_us AS decidedAt, d.caller_entry_id AS callerEntryId, d.agent, d.run_id AS runId, d.step, d.attempt,
           d.step_id AS stepId, d.requested, d.granted, d.refused, d.determining_policies AS determiningPolicies,
           d.policy_digest AS policyDigest, d.policy_errors AS policyErrors, d.situation, d.opening, d.closes, d.approval,
           d.count, d.call,
           s.depth AS stepDepth, s.workflow AS stepWorkflow, s.principal_id AS stepPrincipalId, p.agent AS parentAgent,
           p.run_id AS parentRunId, p.step AS parentStep, p.attempt AS parentAttempt
      FROM decision AS d LEFT JOIN step AS s ON s.step_id = d.step_id
      LEFT JOIN step AS p ON p.step_id = s.parent_step_id`,
} as const;

export type EvaluatedRow = DecisionRow & {
  readonly stepDepth: number | null;
  readonly stepWorkflow: string | null;
  readonly stepPrincipalId: string | null;
  readonly parentAgent: Segment | null;
  readonly parentRunId: Segment | null;
  readonly parentStep: Segment | null;
  readonly parentAttempt: number | null;
};

export function evaluatedOf(row: EvaluatedRow): EvaluatedDecision {
  const { stepDepth: depth, stepWorkflow: workflow, parentAgent, parentRunId, parentStep, parentAttempt } = row;
  const decision = decisionOf(row);
  if (depth === null) return decision;
  const isDelegated = parentAgent !== null && parentRunId !== null && parentStep !== null && parentAttempt !== null;
  const name = isDelegated && { runId: parentRunId, step: parentStep, attempt: parentAttempt };
  return {
    ...decision,
    opened: {
      depth,
      ...(workflow !== null && { workflow }),
      ...(row.stepPrincipalId !== null && { principalId: row.stepPrincipalId }),
      ...(isDelegated && name && { parent: { agent: parentAgent, name } }),
    },
  };
}

export type DecisionRow = {
  readonly sequence: number;
  readonly decisionId: string;
  readonly act: Decision["act"];
  readonly effect: Decision["effect"];
  readonly reason: ErrorCode | null;
  readonly message: string | null;
  readonly caller: string | null;
  readonly decidedAt: UnixMicros;
  readonly callerEntryId: string | null;
  readonly agent: string | null;
  readonly runId: string | null;
  readonly step: string | null;
  readonly attempt: number | null;
  readonly stepId: string | null;
  readonly requested: string;
  readonly granted: string;
  readonly refused: string;
  readonly determiningPolicies: string;
  readonly policyDigest: string;
  readonly policyErrors: string | null;
  readonly situation: string | null;
  readonly opening: string | null;
  readonly closes: string | null;
  readonly approval: string | null;
  readonly count: number;
  readonly call: string | null;
};

export function decisionOf(row: DecisionRow): Decision & { readonly sequence: number } {
  return {
    sequence: row.sequence,
    decisionId: row.decisionId,
    act: row.act,
    effect: row.effect,
    ...(row.reason === null ? {} : { reason: row.reason }),
    ...(row.message === null ? {} : { message: row.message }),
    ...(row.caller === null ? {} : { caller: JSON.parse(row.caller) as RefusedCaller }),
    decidedAt: row.decidedAt,
    ...(row.callerEntryId === null ? {} : { callerEntryId: row.callerEntryId }),
    ...(row.agent === null ? {} : { agent: row.agent }),
    ...(row.runId === null ? {} : { runId: row.runId }),
    ...(row.step === null ? {} : { step: row.step }),
    ...(row.attempt === null ? {} : { attempt: row.attempt }),
    ...(row.stepId === null ? {} : { stepId: row.stepId }),
    requested: JSON.parse(row.requested) as Grant,
    granted: JSON.parse(row.granted) as Grant,
    refused: JSON.parse(row.refused) as Grant,
    determiningPolicies: JSON.parse(row.determiningPolicies) as readonly string[],
    policyDigest: row.policyDigest,
    ...(row.policyErrors === null ? {} : { policyErrors: JSON.parse(row.policyErrors) as readonly string[] }),
    ...(row.situation === null ? {} : { situation: JSON.parse(row.situation) as Situation }),
    ...(row.opening === null ? {} : { opening: JSON.parse(row.opening) as OpenerFacts }),
    ...(row.closes === null ? {} : { closes: JSON.parse(row.closes) as readonly string[] }),
    ...(row.approval === null ? {} : { approval: row.approval }),
    count: row.count,
    ...(row.call === null ? {} : { call: JSON.parse(row.call) as ToolCall }),
  };
}

export function parametersOfDecision({ decision, at }: DecisionMade, sequence: number): SqlParameters {
  return {
    sequence,
    decisionId: decision.decisionId,
    act: decision.act,
    effect: decision.effect,
    reason: decision.reason ?? null,
    message: decision.message ?? null,
    caller: decision.caller === undefined ? null : canonicalText(decision.caller),
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
    policyErrors: decision.policyErrors === undefined ? null : canonicalText(decision.policyErrors),
    situation: decision.situation === undefined ? null : canonicalText(decision.situation),
    opening: decision.opening === undefined ? null : canonicalText(decision.opening),
    closes: decision.closes === undefined ? null : canonicalText(decision.closes),
    approval: decision.approval ?? null,
    count: decision.count,
    call: decision.call === undefined ? null : canonicalText(decision.call),
  };
}
