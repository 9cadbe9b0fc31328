import type { Approval, ApprovalAnswer, PendingApproval } from "../../../domain/approval.ts";
import type { ObservedEffect } from "../../../domain/audit-record.ts";
import { canonicalText } from "../../../domain/canonical-json.ts";
import { executorFrom, formatExecutor } from "../../../domain/executor.ts";
import type { Grant } from "../../../domain/grant.ts";
import type { StepOpened, StepPending } from "../../../domain/ledger-event.ts";
import { formatProcess, processFrom } from "../../../domain/process.ts";
import type { RevocationReason } from "../../../domain/revocation.ts";
import type { FactScope } from "../../../domain/run-facts.ts";
import type { Segment, SpiffeId } from "../../../domain/spiffe-id.ts";
import { audiencesOf, leaseEnd, type Step, type StepState } from "../../../domain/step.ts";
import type { UnixMicros, UnixSeconds } from "../../../domain/time.ts";
import type { SqlParameters } from "../connection.ts";

const COLUMNS = `
  s.sequence AS openedSequence, s.step_id AS stepId, s.run_id AS runId, s.step, s.attempt, s.workflow, s.purpose, s.agent,
  s.agent_entry_id AS agentEntryId, s.opener_entry_id AS openerEntryId, s.opener, s.executor, s.executable,
  s.spiffe_id AS spiffeId, s.granted, s.more_audiences AS moreAudiences, s.state, s.opened_at_us AS openedAt,
  s.expires_at_s AS expiresAt, s.lease_seconds AS leaseSeconds, s.lease_expires_at_us AS leaseExpiresAt, s.held,
  s.keeper, s.parent_step_id AS parentStepId, s.delegation_jti AS delegationJti, s.depth, s.principal_id AS principalId,
  s.principal_sealed AS principalSealed,
  s.request_id AS requestId, s.request_digest AS requestDigest, s.decision_id AS decisionId, s.fact_scopes AS factScopes,
  s.judged_sequence AS judgedSequence, s.close_decision_id AS closeDecisionId, s.approval,
  s.approval_answer AS approvalAnswer,
  s.closed_sequence AS closedSequence, s.closed_at_us AS closedAt, s.close_reason AS closeReason`;

/** What the guards look at. */
const GUARD_COLUMNS = `
  sequence, step_id AS stepId, run_id AS runId, agent, attempt, state, fact_scopes AS factScopes,
  coalesce(judged_sequence, sequence) AS judgedSequence, expires_at_s AS expiresAt, opener_entry_id AS openerEntryId,
  executor, executable, request_digest AS requestDigest, held, keeper, lease_seconds AS leaseSeconds,
  lease_expires_at_us AS leaseExpiresAt, closed_sequence AS closedSequence, approval`;

/** Which steps a target names, live or not: conditions on `s`. */
const TARGETED = {
  step: "s.step_id = @stepId",
  run: "s.run_id = @runId",
  entry: `
    s.sequence IN (SELECT sequence FROM step WHERE agent_entry_id = @entryId AND closed_sequence IS NULL
                    UNION SELECT sequence FROM step WHERE opener_entry_id = @entryId AND closed_sequence IS NULL)`,
  process: `
    s.sequence IN (SELECT sequence FROM step WHERE opener = @process AND closed_sequence IS NULL
                    UNION SELECT sequence FROM step WHERE executor IN (@process, @tree) AND closed_sequence IS NULL)`,
  principal: `
    s.sequence IN (SELECT sequence FROM step WHERE principal_id = @principalId AND closed_sequence IS NULL)`,
  attempts: "s.run_id = @runId AND s.step = @step",
  all: "s.sequence IN (SELECT sequence FROM step INDEXED BY step_live_opener_entry WHERE closed_sequence IS NULL)",
} as const;

const CHILDREN = "s.parent_sequence = @parentSequence";

/**
 * Live steps, those that are not closed, with what a close at `@at` takes back of each. Descendants are read parent by
 * parent: most steps have none, and a recursive query costs as much as four simple ones.
 */
const live = (condition: string) => `
    SELECT s.sequence AS openedSequence, s.step_id AS stepId, s.parent_step_id AS parentStepId,
           s.opener_entry_id AS openerEntryId, s.executor,
           (SELECT count(*)
              FROM step_event AS h CROSS JOIN issuance AS i ON i.sequence = h.sequence
             WHERE h.step_sequence = s.sequence AND i.expires_at_s * 1000000 > @at
               AND i.undelivered_sequence IS NULL AND i.revoked_sequence IS NULL) AS liveCredentials
      FROM step AS s WHERE ${condition} AND s.closed_sequence IS NULL`;

/** Live steps as a recorded close looks at them. */
const closing = (condition: string) => `
    SELECT s.sequence, s.step_id AS stepId, s.run_id AS runId, s.state, s.fact_scopes AS factScopes,
           s.opener_entry_id AS openerEntryId
      FROM step AS s WHERE ${condition} AND s.closed_sequence IS NULL ORDER BY s.sequence`;

/** The credentials of a step `s` that were recorded through `@through`, and of these the ones that a condition leaves. */
const credentialsThrough = (what: string, condition = "TRUE") => `
  (SELECT ${what} FROM step_event AS h JOIN issuance AS i ON i.sequence = h.sequence
    WHERE h.step_sequence = s.sequence AND i.sequence <= @through AND ${condition})`;

export const STEP = {
  /** What came of steps through `@through`; of calls all that was reported so far. */
  effects: `
    SELECT s.step_id AS stepId, s.spiffe_id AS spiffeId, s.principal_id AS principalId,
           CASE WHEN s.closed_sequence > @through THEN 'OPEN' ELSE s.state END AS state,
           CASE WHEN s.closed_sequence <= @through THEN s.closed_at_us END AS closedAt,
           CASE WHEN s.closed_sequence <= @through THEN s.close_reason END AS closeReason,
           CASE WHEN s.closed_sequence <= @through THEN s.close_decision_id END AS closeDecisionId,
           ${credentialsThrough("count(*)")} AS credentials,
           ${credentialsThrough("count(*)", "i.revoked_sequence <= @through")} AS revoked,
           ${credentialsThrough("max(i.expires_at_s)")} AS latestExpiry,
           (SELECT json_group_array(json_object('tool', c.tool, 'action', c.action, 'outcome', c.outcome, 'calls', c.calls))
              FROM (SELECT u.tool, u.action, u.outcome, sum(u.calls) AS calls FROM usage AS u
                     WHERE u.step_sequence = s.sequence
                     GROUP BY u.tool, u.action, u.outcome ORDER BY u.tool, u.action, u.outcome) AS c) AS calls
      FROM step AS s
     WHERE s.sequence <= @through AND s.step_id IN (SELECT value FROM json_each(@stepIds))`,
  insert: `
    INSERT INTO step (
      sequence, step_id, run_id, step, attempt, workflow, purpose, agent, agent_entry_id, opener_entry_id, opener,
      executor, executable, spiffe_id, granted, more_audiences, audiences, state, opened_at_us, recorded_at_us,
      expires_at_s, lease_seconds, lease_expires_at_us, held, parent_sequence, parent_step_id, depth, principal_id,
      principal_sealed, request_id, request_digest, decision_id, fact_scopes, delegation_jti, keeper, approval)
    VALUES (
      @sequence, @stepId, @runId, @step, @attempt, @workflow, @purpose, @agent, @agentEntryId, @openerEntryId, @opener,
      @executor, @executable, @spiffeId, @granted, @moreAudiences, @audiences, @state, @openedAt, @recordedAt,
      @expiresAt, @leaseSeconds, @leaseExpiresAt, 0, (SELECT sequence FROM step WHERE step_id = @parentStepId),
      @parentStepId, @depth, @principalId, @principalSealed, @requestId, @requestDigest, @decisionId, @factScopes,
      @delegationJti, @keeper, @approval)`,
  hold: "UPDATE step SET held = 1, keeper = coalesce(@keeper, keeper) WHERE step_id = @stepId",
  renew: "UPDATE step SET lease_expires_at_us = @leaseExpiresAt WHERE step_id = @stepId",
  approve: `
    UPDATE step SET state = 'OPEN', opened_at_us = @at, expires_at_s = @expiresAt, decision_id = @decisionId,
           judged_sequence = @sequence, lease_expires_at_us = @at + lease_seconds * 1000000, approval_answer = @answer
     WHERE step_id = @stepId AND state = 'PENDING_APPROVAL'`,
  countAlsoFor: "UPDATE step SET fact_scopes = @factScopes WHERE sequence = @sequence",
  refuse: `
    UPDATE step SET approval_answer = @answer WHERE step_id = @stepId AND state = 'PENDING_APPROVAL'`,
  pinExecutable: "UPDATE step SET executable = @executable WHERE step_id = @stepId AND executable IS NULL",
  close: `
    UPDATE step SET state = @state, closed_sequence = @closedSequence, closed_at_us = @closedAt, close_reason = @reason,
           revoked_credentials = @revoked, close_decision_id = @decisionId
     WHERE sequence = @sequence`,
  judge: "UPDATE step SET judged_sequence = @through WHERE step_id = @stepId",
  insertEvent: `
    INSERT INTO step_event (step_sequence, sequence) VALUES (@stepSequence, @sequence) ON CONFLICT DO NOTHING`,

  approvedOf: `
    SELECT s.sequence, s.run_id AS runId, s.fact_scopes AS factScopes, s.granted FROM step AS s WHERE s.step_id = @stepId`,
  sequenceOf: "SELECT sequence FROM step WHERE step_id = @stepId",
  guardById: `SELECT ${GUARD_COLUMNS} FROM step WHERE step_id = @stepId`,
  /** What calls are counted by. */
  budget: `
    SELECT step_id AS stepId, state, expires_at_s AS expiresAt, granted, parent_step_id AS parentStepId
      FROM step WHERE step_id = @stepId`,
  guardNewestAttempt: `
    SELECT ${GUARD_COLUMNS} FROM step WHERE run_id = @runId AND step = @step ORDER BY attempt DESC LIMIT 1`,
  guardByRequest: `
    SELECT ${GUARD_COLUMNS} FROM step
     WHERE opener_entry_id = @entryId AND opener = @process AND request_id = @requestId
     ORDER BY sequence DESC LIMIT 1`,
  liveOfExecutorCount: `
    SELECT count(*) AS count FROM step WHERE executor IN (@process, @tree) AND closed_sequence IS NULL`,

  closing: closing(TARGETED.step),
  closingOfRun: closing(TARGETED.run),
  closingChildren: closing(CHILDREN),
  liveStep: live(TARGETED.step),
  liveOfRun: live(TARGETED.run),
  liveOfEntry: live(TARGETED.entry),
  liveOfProcess: live(TARGETED.process),
  liveOfPrincipal: live(TARGETED.principal),
  liveOfAttempts: live(TARGETED.attempts),
  liveOfAll: live(TARGETED.all),
  liveChildren: live(CHILDREN),

  /** What was recorded with one close, which may be the close of an ancestor. */
  closeAt: `
    SELECT closed_sequence AS sequence, closed_at_us AS closedAt, count(*) AS stepsClosed,
           sum(revoked_credentials) AS credentialsRevoked
      FROM step WHERE closed_sequence = @sequence GROUP BY closed_sequence, closed_at_us`,
  closedBetween: `
    SELECT ${COLUMNS} FROM step AS s
     WHERE s.closed_sequence >= @first AND s.closed_sequence <= @last
     ORDER BY s.closed_sequence, s.sequence LIMIT @limit`,
  closedBetweenCount: `
    SELECT count(*) AS count, coalesce(sum(revoked_credentials), 0) AS credentials
      FROM step WHERE closed_sequence >= @first AND closed_sequence <= @last`,

  byId: `SELECT ${COLUMNS} FROM step AS s WHERE s.step_id = @stepId`,
  /** Open or closed, oldest first. */
  children: `
    SELECT ${COLUMNS} FROM step AS s WHERE s.parent_sequence = @parentSequence ORDER BY s.sequence LIMIT @limit`,
  newestAttempt: `
    SELECT ${COLUMNS} FROM step AS s WHERE s.run_id = @runId AND s.step = @step ORDER BY s.attempt DESC LIMIT 1`,
  standingAttempts: `
    SELECT ${COLUMNS} FROM step AS s
     WHERE s.run_id = @runId AND s.step = @step
       AND (s.closed_sequence IS NULL
            OR s.attempt = (SELECT max(attempt) FROM step WHERE run_id = @runId AND step = @step))
     ORDER BY s.attempt DESC`,
  byRequest: `
    SELECT ${COLUMNS} FROM step AS s
     WHERE s.opener_entry_id = @entryId AND s.opener = @process AND s.request_id = @requestId
     ORDER BY s.sequence DESC LIMIT 1`,
  open: `
    SELECT ${COLUMNS} FROM step AS s INDEXED BY step_live_opener_entry
     WHERE s.closed_sequence IS NULL ORDER BY s.sequence`,
  /** For the operator's view; conditions are appended. */
  history: `SELECT ${COLUMNS} FROM step AS s JOIN run AS r ON r.run_id = s.run_id`,
} as const;

export type StepGuardRow = {
  readonly sequence: number;
  readonly stepId: string;
  readonly runId: string;
  readonly agent: string;
  readonly factScopes: string | null;
  readonly judgedSequence: number;
  readonly attempt: number;
  readonly state: StepState;
  readonly expiresAt: UnixSeconds;
  readonly openerEntryId: string;
  readonly executor: string | null;
  readonly executable: string | null;
  readonly requestDigest: string | null;
  readonly held: number;
  readonly keeper: string | null;
  readonly leaseSeconds: number | null;
  readonly leaseExpiresAt: UnixMicros | null;
  readonly closedSequence: number | null;
  readonly approval: string | null;
};

export type ClosingRow = {
  readonly sequence: number;
  readonly stepId: string;
  readonly runId: string;
  readonly state: StepState;
  readonly factScopes: string | null;
  readonly openerEntryId: string;
};
export type BudgetRow = Pick<StepGuardRow, "stepId" | "state" | "expiresAt"> & {
  readonly granted: string;
  readonly parentStepId: string | null;
};

export type LiveStepRow = {
  readonly openedSequence: number;
  readonly stepId: string;
  readonly parentStepId: string | null;
  readonly openerEntryId: string;
  readonly executor: string | null;
  readonly liveCredentials: number;
};

export type StepRow = {
  readonly openedSequence: number;
  readonly stepId: string;
  readonly runId: Segment;
  readonly step: Segment;
  readonly attempt: number;
  readonly workflow: string | null;
  readonly purpose: string | null;
  readonly agent: Segment;
  readonly agentEntryId: string;
  readonly openerEntryId: string;
  readonly opener: string;
  readonly executor: string | null;
  readonly executable: string | null;
  readonly spiffeId: SpiffeId;
  readonly granted: string;
  readonly moreAudiences: string;
  readonly state: StepState;
  readonly openedAt: UnixMicros;
  readonly expiresAt: UnixSeconds;
  readonly leaseSeconds: number | null;
  readonly leaseExpiresAt: UnixMicros | null;
  readonly held: number;
  readonly keeper: string | null;
  readonly parentStepId: string | null;
  readonly delegationJti: string | null;
  readonly depth: number;
  readonly principalId: string | null;
  readonly principalSealed: string | null;
  readonly requestId: string | null;
  readonly requestDigest: string | null;
  readonly decisionId: string;
  readonly factScopes: string | null;
  readonly judgedSequence: number | null;
  readonly closeDecisionId: string | null;
  readonly approval: string | null;
  readonly approvalAnswer: string | null;
  readonly closedSequence: number | null;
  readonly closedAt: UnixMicros | null;
  readonly closeReason: RevocationReason | null;
};

export function stepOf(row: StepRow): Step {
  const { executor, executable, principalId, principalSealed: sealed } = row;
  const pinned = executable === null ? {} : { executable };
  return {
    stepId: row.stepId,
    runId: row.runId,
    step: row.step,
    attempt: row.attempt,
    ...(row.workflow === null ? {} : { workflow: row.workflow }),
    ...(row.purpose === null ? {} : { purpose: row.purpose }),
    agent: row.agent,
    agentEntryId: row.agentEntryId,
    openerEntryId: row.openerEntryId,
    opener: processFrom(row.opener),
    executor: { ...executorFrom(executor ?? undefined), ...pinned },
    spiffeId: row.spiffeId,
    grant: JSON.parse(row.granted) as Grant,
    audiences: JSON.parse(row.moreAudiences) as readonly string[],
    state: row.state,
    openedAt: row.openedAt,
    expiresAt: row.expiresAt,
    ...(row.leaseSeconds === null ? {} : { leaseSeconds: row.leaseSeconds }),
    ...(row.leaseExpiresAt === null ? {} : { leaseExpiresAt: row.leaseExpiresAt }),
    held: row.held === 1,
    ...(row.keeper === null ? {} : { keeper: row.keeper }),
    ...(row.parentStepId === null ? {} : { parentStepId: row.parentStepId }),
    ...(row.delegationJti === null ? {} : { delegationJti: row.delegationJti }),
    depth: row.depth,
    ...(principalId === null || sealed === null ? {} : { principal: { principalId, sealed } }),
    ...(row.requestId === null ? {} : { requestId: row.requestId }),
    ...(row.requestDigest === null ? {} : { requestDigest: row.requestDigest }),
    decisionId: row.decisionId,
    ...(row.factScopes === null ? {} : { factScopes: JSON.parse(row.factScopes) as readonly FactScope[] }),
    ...(row.judgedSequence === null ? {} : { judgedSequence: row.judgedSequence }),
    ...(row.approval === null ? {} : { approval: approvalOf(row.approval, row.approvalAnswer) }),
    openedSequence: row.openedSequence,
    ...(row.closedSequence === null ? {} : { closedSequence: row.closedSequence }),
    ...(row.closedAt === null ? {} : { closedAt: row.closedAt }),
    ...(row.closeReason === null ? {} : { closeReason: row.closeReason }),
    ...(row.closeDecisionId === null ? {} : { closeDecisionId: row.closeDecisionId }),
  };
}

function approvalOf(approval: string, answer: string | null): Approval {
  const pending = JSON.parse(approval) as PendingApproval;
  return answer === null ? pending : { ...pending, answer: JSON.parse(answer) as ApprovalAnswer };
}

export function parametersOfOpened(event: StepOpened | StepPending, sequence: number): SqlParameters {
  const { step, at } = event;
  const { executor, principal, leaseSeconds } = step;
  return {
    sequence,
    state: event.type === "step.opened" ? "OPEN" : "PENDING_APPROVAL",
    approval: event.type === "step.opened" ? null : canonicalText(event.approval),
    stepId: step.stepId,
    runId: step.runId,
    step: step.step,
    attempt: step.attempt,
    workflow: step.workflow ?? null,
    purpose: step.purpose ?? null,
    agent: step.agent,
    agentEntryId: step.agentEntryId,
    openerEntryId: step.openerEntryId,
    opener: formatProcess(step.opener),
    executor: formatExecutor(executor) ?? null,
    executable: executor.kind === "process" ? (executor.executable ?? null) : null,
    spiffeId: step.spiffeId,
    granted: canonicalText(step.grant),
    moreAudiences: canonicalText(step.audiences),
    audiences: canonicalText(audiencesOf(step)),
    openedAt: step.openedAt,
    recordedAt: at,
    expiresAt: step.expiresAt,
    leaseSeconds: leaseSeconds ?? null,
    leaseExpiresAt: leaseSeconds === undefined ? null : leaseEnd(step.openedAt, leaseSeconds),
    parentStepId: step.parentStepId ?? null,
    depth: step.depth,
    principalId: principal?.principalId ?? null,
    principalSealed: principal?.sealed ?? null,
    requestId: step.requestId ?? null,
    requestDigest: step.requestDigest ?? null,
    decisionId: step.decisionId,
    factScopes: step.factScopes === undefined ? null : canonicalText(step.factScopes),
    delegationJti: step.delegationJti ?? null,
    keeper: step.keeper ?? null,
  };
}

export type StoredEffect = Pick<ObservedEffect, "spiffeId" | "state" | "credentials" | "revoked"> & {
  readonly stepId: string;
  readonly principalId: string | null;
  readonly closedAt: UnixMicros | null;
  readonly closeReason: RevocationReason | null;
  readonly closeDecisionId: string | null;
  readonly latestExpiry: UnixSeconds | null;
  readonly calls: string;
};

export function effectOf(row: StoredEffect): ObservedEffect {
  const { spiffeId, state, credentials, revoked, principalId, closedAt, closeReason, closeDecisionId, latestExpiry } =
    row;
  return {
    ...{ spiffeId, state, credentials, revoked },
    ...(principalId !== null && { principalId }),
    ...(closedAt !== null && { closedAt }),
    ...(closeReason !== null && { closeReason }),
    ...(closeDecisionId !== null && { closeDecisionId }),
    ...(latestExpiry !== null && { latestExpiry }),
    calls: JSON.parse(row.calls) as ObservedEffect["calls"],
  };
}
