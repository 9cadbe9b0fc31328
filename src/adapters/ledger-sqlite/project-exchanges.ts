import type { ExchangeAnswered, ExchangeEnded, ExchangeIntended } from "../../domain/ledger-event.ts";
import type { Connection, SqlParameters } from "./connection.ts";
import { ProjectionMismatch } from "./projection-mismatch.ts";
import { EXCHANGE, parametersOfIntent } from "./tables/exchange-table.ts";
import { STEP } from "./tables/step-table.ts";

export function intendExchange(db: Connection, event: ExchangeIntended, sequence: number): void {
  const step = db.get<{ readonly sequence: number }>(STEP.sequenceOf, { stepId: event.exchange.stepId });
  if (step === undefined) throw new ProjectionMismatch(sequence);
  const stepSequence = step.sequence;
  db.run(EXCHANGE.insert, parametersOfIntent(event, { sequence, stepSequence }));
  db.run(STEP.insertEvent, { stepSequence, sequence });
}

export function answerExchange(db: Connection, event: ExchangeAnswered, sequence: number): void {
  const { exchangeId, outcome } = event;
  const answer =
    outcome.kind === "issued"
      ? { state: "issued", reference: outcome.reference ?? null, failure: null, expiresAt: outcome.expiresAt }
      : {
          state: outcome.mayExist ? "unknown" : "failed",
          reference: null,
          failure: outcome.failure,
          expiresAt: outcome.expiresAt ?? null,
        };
  change(db, EXCHANGE.answer, { exchangeId, ...answer }, sequence);
}

export function endExchange(db: Connection, { exchangeId, ending, at }: ExchangeEnded, sequence: number): void {
  change(db, EXCHANGE.end, { exchangeId, ending, at }, sequence);
}

function change(
  db: Connection,
  sql: string,
  parameters: SqlParameters & { readonly exchangeId: string },
  sequence: number,
): void {
  const changed = db.run(sql, parameters);
  const found = db.get<{ readonly stepSequence: number }>(EXCHANGE.stepOf, { exchangeId: parameters.exchangeId });
  if (changed !== 1 || found === undefined) throw new ProjectionMismatch(sequence);
  db.run(STEP.insertEvent, { stepSequence: found.stepSequence, sequence });
}
