import type { Exchange, ExchangeEnding, ExchangeKind, ExchangeState } from "../../../domain/exchange.ts";
import type { ExchangeIntended } from "../../../domain/ledger-event.ts";
import type { Segment } from "../../../domain/spiffe-id.ts";
import type { StepState } from "../../../domain/step.ts";
import type { UnixMicros, UnixSeconds } from "../../../domain/time.ts";
import type { SqlParameters } from "../connection.ts";

const COLUMNS = `
    SELECT x.sequence, x.exchange_id AS exchangeId, s.step_id AS stepId, x.target, x.kind, x.issuance_id AS issuanceId,
           x.request_id AS requestId, x.recorded_at_us AS intendedAt, x.expires_at_s AS expiresAt, x.endable, x.state,
           x.reference, x.failure, x.ended_at_us AS endedAt, x.ending, x.replica, s.run_id AS runId, s.step, s.attempt, s.agent,
           s.state AS stepState, s.closed_sequence AS closedSequence
      FROM exchange AS x JOIN step AS s ON s.sequence = x.step_sequence`;

/** In these words an index holds them. */
const STANDING = "x.state IN ('intended', 'issued', 'unknown')";
/** Of which something may be good at the other system, at `@now` in seconds: what can be ended, until it is. */
const ALIVE = `${STANDING} AND (x.endable = 1 OR x.expires_at_s > @now)`;

export const EXCHANGE = {
  insert: `
    INSERT INTO exchange (
      sequence, exchange_id, step_sequence, target, kind, issuance_id, request_id, recorded_at_us, expires_at_s, endable,
      replica, state)
    VALUES (
      @sequence, @exchangeId, @stepSequence, @target, @kind, @issuanceId, @requestId, @at, @expiresAt, @endable,
      @replica, 'intended')`,
  answer: `
    UPDATE exchange
       SET state = @state, reference = @reference, failure = @failure, expires_at_s = coalesce(@expiresAt, expires_at_s)
     WHERE exchange_id = @exchangeId AND state = 'intended'`,
  end: `
    UPDATE exchange SET state = 'ended', ended_at_us = @at, ending = @ending
     WHERE exchange_id = @exchangeId AND state IN ('intended', 'issued', 'unknown')`,
  stepOf: "SELECT step_sequence AS stepSequence FROM exchange WHERE exchange_id = @exchangeId",
  guardById: "SELECT exchange_id AS exchangeId, state FROM exchange WHERE exchange_id = @exchangeId",
  guardOfStep: `
    SELECT count(*) FILTER (WHERE ${ALIVE}) AS count,
           count(*) FILTER (WHERE x.request_id = @requestId AND x.state <> 'failed') AS known
      FROM exchange AS x WHERE x.step_sequence = (SELECT sequence FROM step WHERE step_id = @stepId)`,
  alive: `${COLUMNS} WHERE ${ALIVE} ORDER BY x.sequence`,
  aliveOfStep: `
    ${COLUMNS} WHERE x.step_sequence = (SELECT sequence FROM step WHERE step_id = @stepId) AND ${ALIVE}
     ORDER BY x.sequence LIMIT @limit`,
  aliveOfClosedBetween: `
    ${COLUMNS} WHERE ${ALIVE} AND s.closed_sequence BETWEEN @first AND @last ORDER BY x.sequence LIMIT @limit`,
  /** Of what one event closed: whatever the other system has not confirmed, whether or not its time is over. */
  unconfirmedOfClose: `
    SELECT x.exchange_id AS exchangeId, x.target FROM step AS s CROSS JOIN exchange AS x ON x.step_sequence = s.sequence
     WHERE s.closed_sequence = @closedSequence AND ${STANDING} ORDER BY x.sequence`,
  /** For the operator's view; conditions are appended. */
  history: COLUMNS,
} as const;

/** For the operator's view. */
export const EXCHANGE_ALIVE = ALIVE;

export type ExchangeRow = {
  readonly sequence: number;
  readonly exchangeId: string;
  readonly stepId: string;
  readonly target: string;
  readonly kind: ExchangeKind;
  readonly issuanceId: string | null;
  readonly requestId: string;
  readonly intendedAt: UnixMicros;
  readonly expiresAt: UnixSeconds;
  readonly endable: number;
  readonly state: ExchangeState;
  readonly reference: string | null;
  readonly failure: string | null;
  readonly endedAt: UnixMicros | null;
  readonly ending: ExchangeEnding | null;
  readonly replica: string | null;
  readonly runId: Segment;
  readonly step: Segment;
  readonly attempt: number;
  readonly agent: Segment;
  readonly stepState: StepState;
  readonly closedSequence: number | null;
};

export function exchangeOf(row: ExchangeRow): Exchange {
  const { issuanceId, endable, reference, failure, endedAt, ending, replica, runId, step, attempt, agent, ...rest } =
    row;
  const { stepState: state, closedSequence, ...known } = rest;
  return {
    ...known,
    endable: endable === 1,
    ...(issuanceId === null ? {} : { issuanceId }),
    ...(reference === null ? {} : { reference }),
    ...(failure === null ? {} : { failure }),
    ...(endedAt === null ? {} : { endedAt }),
    ...(ending === null ? {} : { ending }),
    ...(replica === null ? {} : { replica }),
    step: { runId, step, attempt, agent, state, ...(closedSequence === null ? {} : { closedSequence }) },
  };
}

export function parametersOfIntent(
  { exchange, at }: ExchangeIntended,
  recorded: { readonly sequence: number; readonly stepSequence: number },
): SqlParameters {
  const { exchangeId, target, kind, issuanceId = null, requestId, expiresAt, endable, replica = null } = exchange;
  const asked = { exchangeId, target, kind, issuanceId, requestId, at, expiresAt, replica };
  return { ...recorded, ...asked, endable: endable ? 1 : 0 };
}
