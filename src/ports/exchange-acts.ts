import type { DecidedOn } from "../domain/decision.ts";
import type { ExchangeEnding, ExchangeIntent, ExchangeOutcome } from "../domain/exchange.ts";
import type { UnixMicros } from "../domain/time.ts";

/**
 * Records that another system is about to be asked for a secret.
 *
 * Guards, in this order: those of an issuance for the step (STEP_NOT_FOUND, STEP_CLOSED, STEP_EXPIRING, NOT_ENTITLED,
 * DECISION_OUTDATED, EXECUTOR_GONE); no exchange of the step that did not fail has the same `requestId`
 * (REQUEST_ID_REUSED); at most `LIMITS.exchangesPerStepMax` of the step that may be alive (LIMIT_EXCEEDED).
 */
export type IntendExchangeAct = {
  readonly act: "intend-exchange";
  readonly exchange: ExchangeIntent;
  readonly decidedOn: DecidedOn;
  /** The executable of a process executor. */
  readonly executable?: string;
  readonly now: UnixMicros;
};

/**
 * Records what the other system answered, also for a step that has ended meanwhile. Idempotent: sequence 0 where an
 * answer is recorded already, which stays. STEP_NOT_FOUND, thrown, for an exchange that nobody intended.
 */
export type AnswerExchangeAct = {
  readonly act: "answer-exchange";
  readonly exchangeId: string;
  readonly outcome: ExchangeOutcome;
  readonly now: UnixMicros;
};

/** Idempotent: sequence 0 where nothing of it is alive any more. STEP_NOT_FOUND, thrown, as for an answer. */
export type EndExchangeAct = {
  readonly act: "end-exchange";
  readonly exchangeId: string;
  readonly ending: ExchangeEnding;
  readonly now: UnixMicros;
};
