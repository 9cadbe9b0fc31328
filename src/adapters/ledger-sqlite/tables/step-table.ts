import type { StepOpened } from "../../../domain/ledger-event.ts";
import { formatProcess } from "../../../domain/process.ts";
import type { RevocationReason } from "../../../domain/revocation.ts";
import { audiencesOf, type Step, type StepState } from "../../../domain/step.ts";
import { addMicros, microsOf, type UnixMicros, type UnixSeconds } from "../../../domain/time.ts";
import type { SqlParameters } from "../connection.ts";
import { eventOf } from "./event-table.ts";

const COLUMNS = `
  s.sequence AS openedSequence, s.state, s.executable, s.lease_expires_at_us AS leaseExpiresAt, s.held,
  s.closed_sequence AS closedSequence, s.closed_at_us AS closedAt, s.close_reason AS closeReason, e.canonical`;

/** What the guards look at. */
const GUARD_COLUMNS = `
  sequence, step_id AS stepId, run_id AS runId, attempt, state, expires_at_s AS expiresAt, opener_entry_id AS openerEntryId,
  executor, executable, request_digest AS requestDigest, held, lease_seconds AS leaseSeconds,
  lease_expires_at_us AS leaseExpiresAt, closed_sequence AS closedSequence`;

/**
 * Live are the steps that are not closed. The first member of each recursion is the step itself, so a subtree holds its
 * root; CROSS JOIN keeps it the outer loop, for the other order would read every step there ever was.
 */
export const STEP = {
  insert: `
    INSERT INTO step (
      sequence, step_id, run_id, step, attempt, agent, agent_entry_id, opener_entry_id, opener, executor, executable,
      spiffe_id, audiences, state, expires_at_s, lease_seconds, lease_expires_at_us, held, parent_sequence, depth,
      principal_iss, principal_sub, request_id, request_digest, decision_id)
    VALUES (
      @sequence, @stepId, @runId, @step, @attempt, @agent, @agentEntryId, @openerEntryId, @opener, @executor, @executable,
      @spiffeId, @audiences, 'OPEN', @expiresAt, @leaseSeconds, @leaseExpiresAt, 0,
      (SELECT sequence FROM step WHERE step_id = @parentStepId), @depth,
      @principalIss, @principalSub, @requestId, @requestDigest, @decisionId)`,
  hold: "UPDATE step SET held = 1 WHERE step_id = @stepId",
  renew: "UPDATE step SET lease_expires_at_us = @leaseExpiresAt WHERE step_id = @stepId",
  pinExecutable: "UPDATE step SET executable = @executable WHERE step_id = @stepId AND executable IS NULL",
  close: `
    UPDATE step SET state = @state, closed_sequence = @closedSequence, closed_at_us = @closedAt, close_reason = @reason
     WHERE sequence = @sequence`,
  insertEvent: `
    INSERT INTO step_event (step_sequence, sequence) VALUES (@stepSequence, @sequence) ON CONFLICT DO NOTHING`,

  sequenceOf: "SELECT sequence FROM step WHERE step_id = @stepId",
  guardById: `SELECT ${GUARD_COLUMNS} FROM step WHERE step_id = @stepId`,
  guardNewestAttempt: `
    SELECT ${GUARD_COLUMNS} FROM step WHERE run_id = @runId AND step = @step ORDER BY attempt DESC LIMIT 1`,
  guardByRequest: `
    SELECT ${GUARD_COLUMNS} FROM step
     WHERE opener_entry_id = @entryId AND opener = @process AND request_id = @requestId
     ORDER BY sequence DESC LIMIT 1`,
  liveOfExecutorCount: "SELECT count(*) AS count FROM step WHERE executor = @executor AND closed_sequence IS NULL",
  parentOf: "SELECT parent_sequence AS parent FROM step WHERE sequence = @sequence",

  liveSubtree: `
    WITH RECURSIVE subtree (sequence, level) AS (
      SELECT sequence, 0 FROM step WHERE sequence = @root AND closed_sequence IS NULL
      UNION ALL
      SELECT child.sequence, subtree.level + 1
        FROM subtree CROSS JOIN step AS child ON child.parent_sequence = subtree.sequence
       WHERE child.closed_sequence IS NULL)
    SELECT s.sequence, s.step_id AS stepId, s.opener_entry_id AS openerEntryId, s.executor
      FROM subtree CROSS JOIN step AS s ON s.sequence = subtree.sequence
     ORDER BY subtree.level, s.sequence`,
  closedSubtreeIds: `
    WITH RECURSIVE subtree (sequence, level) AS (
      SELECT sequence, 0 FROM step WHERE step_id = @rootStepId
      UNION ALL
      SELECT child.sequence, subtree.level + 1
        FROM subtree CROSS JOIN step AS child ON child.parent_sequence = subtree.sequence
       WHERE child.closed_sequence = @closedSequence)
    SELECT s.step_id AS stepId
      FROM subtree CROSS JOIN step AS s ON s.sequence = subtree.sequence
     ORDER BY subtree.level, s.sequence LIMIT @limit`,

  liveOfRun: "SELECT sequence FROM step WHERE run_id = @runId AND closed_sequence IS NULL ORDER BY sequence",
  liveOfEntry: `
    SELECT sequence FROM step WHERE agent_entry_id = @entryId AND closed_sequence IS NULL
     UNION SELECT sequence FROM step WHERE opener_entry_id = @entryId AND closed_sequence IS NULL
     ORDER BY sequence`,
  liveOfProcess: `
    SELECT sequence FROM step WHERE opener = @process AND closed_sequence IS NULL
     UNION SELECT sequence FROM step WHERE executor = @process AND closed_sequence IS NULL
     ORDER BY sequence`,
  liveOfPrincipal: `
    SELECT sequence FROM step INDEXED BY step_live_opener_entry
     WHERE principal_iss = @iss AND principal_sub = @sub AND closed_sequence IS NULL
     ORDER BY sequence`,
  live: "SELECT sequence FROM step INDEXED BY step_live_opener_entry WHERE closed_sequence IS NULL ORDER BY sequence",

  byId: `SELECT ${COLUMNS} FROM step AS s JOIN event AS e ON e.sequence = s.sequence WHERE s.step_id = @stepId`,
  bySequence: `SELECT ${COLUMNS} FROM step AS s JOIN event AS e ON e.sequence = s.sequence WHERE s.sequence = @sequence`,
  newestAttempt: `
    SELECT ${COLUMNS} FROM step AS s JOIN event AS e ON e.sequence = s.sequence
     WHERE s.run_id = @runId AND s.step = @step ORDER BY s.attempt DESC LIMIT 1`,
  byRequest: `
    SELECT ${COLUMNS} FROM step AS s JOIN event AS e ON e.sequence = s.sequence
     WHERE s.opener_entry_id = @entryId AND s.opener = @process AND s.request_id = @requestId
     ORDER BY s.sequence DESC LIMIT 1`,
  open: `
    SELECT ${COLUMNS} FROM step AS s INDEXED BY step_live_opener_entry JOIN event AS e ON e.sequence = s.sequence
     WHERE s.closed_sequence IS NULL AND s.state = 'OPEN' ORDER BY s.sequence`,
  openOfEntry: `
    SELECT ${COLUMNS} FROM step AS s JOIN event AS e ON e.sequence = s.sequence
     WHERE s.sequence IN (SELECT sequence FROM step WHERE agent_entry_id = @entryId AND closed_sequence IS NULL
                          UNION SELECT sequence FROM step WHERE opener_entry_id = @entryId AND closed_sequence IS NULL)
       AND s.state = 'OPEN' ORDER BY s.sequence`,
  openOfExecutor: `
    SELECT ${COLUMNS} FROM step AS s JOIN event AS e ON e.sequence = s.sequence
     WHERE s.executor = @executor AND s.closed_sequence IS NULL AND s.state = 'OPEN'
       AND (@entryId IS NULL OR @entryId IN (s.agent_entry_id, s.opener_entry_id))
     ORDER BY s.sequence`,
  /** For the operator's view; conditions are appended. */
  history: `
    SELECT ${COLUMNS} FROM step AS s JOIN run AS r ON r.run_id = s.run_id CROSS JOIN event AS e ON e.sequence = s.sequence`,
} as const;

export type StepGuard = {
  readonly sequence: number;
  readonly stepId: string;
  readonly runId: string;
  readonly attempt: number;
  readonly state: StepState;
  readonly expiresAt: UnixSeconds;
  readonly openerEntryId: string;
  /** NULL: any. */
  readonly executor: string | null;
  readonly executable: string | null;
  readonly requestDigest: string | null;
  readonly held: number;
  readonly leaseSeconds: number | null;
  readonly leaseExpiresAt: UnixMicros | null;
  readonly closedSequence: number | null;
};

export type SubtreeRow = {
  readonly sequence: number;
  readonly stepId: string;
  readonly openerEntryId: string;
  readonly executor: string | null;
};

export type StepRow = {
  readonly openedSequence: number;
  readonly state: StepState;
  readonly executable: string | null;
  readonly leaseExpiresAt: UnixMicros | null;
  readonly held: number;
  readonly closedSequence: number | null;
  readonly closedAt: UnixMicros | null;
  readonly closeReason: RevocationReason | null;
  readonly canonical: Uint8Array;
};

/** The step as its opening event has it, with what became of it since. */
export function stepOf(row: StepRow): Step {
  const { step } = eventOf(row.canonical) as StepOpened;
  const { executor } = step;
  const pinned = executor.kind === "process" && row.executable !== null ? { executable: row.executable } : {};
  return {
    ...step,
    executor: { ...executor, ...pinned },
    state: row.state,
    held: row.held === 1,
    openedSequence: row.openedSequence,
    ...(row.leaseExpiresAt === null ? {} : { leaseExpiresAt: row.leaseExpiresAt }),
    ...(row.closedSequence === null ? {} : { closedSequence: row.closedSequence }),
    ...(row.closedAt === null ? {} : { closedAt: row.closedAt }),
    ...(row.closeReason === null ? {} : { closeReason: row.closeReason }),
  };
}

export function parametersOfOpened({ step }: StepOpened, sequence: number): SqlParameters {
  const { executor, principal, leaseSeconds } = step;
  return {
    sequence,
    stepId: step.stepId,
    runId: step.runId,
    step: step.step,
    attempt: step.attempt,
    agent: step.agent,
    agentEntryId: step.agentEntryId,
    openerEntryId: step.openerEntryId,
    opener: formatProcess(step.opener),
    executor: executor.kind === "process" ? formatProcess(executor.process) : null,
    executable: executor.kind === "process" ? (executor.executable ?? null) : null,
    spiffeId: step.spiffeId,
    audiences: JSON.stringify(audiencesOf(step)),
    expiresAt: step.expiresAt,
    leaseSeconds: leaseSeconds ?? null,
    leaseExpiresAt: leaseSeconds === undefined ? null : leaseEnd(step.openedAt, leaseSeconds),
    parentStepId: step.parentStepId ?? null,
    depth: step.depth,
    principalIss: principal?.iss ?? null,
    principalSub: principal?.sub ?? null,
    requestId: step.requestId ?? null,
    requestDigest: step.requestDigest ?? null,
    decisionId: step.decisionId,
  };
}

/** A lease lasts this long from `now`, to the microsecond. */
export function leaseEnd(now: UnixMicros, leaseSeconds: number): UnixMicros {
  return addMicros(now, leaseSeconds * 1_000_000);
}

/** Whether an expiry, which is a whole second and exclusive, has come. */
export function hasExpired(expiresAt: UnixSeconds, now: UnixMicros): boolean {
  return microsOf(expiresAt) <= now;
}
