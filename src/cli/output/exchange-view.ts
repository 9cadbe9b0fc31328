import { type Exchange, ExchangeState, Standing, type StandingExchange } from "../../gen/stint/v1/types_pb.js";
import { enumField, instantCell, instantField, sequenceField, textField } from "./fields.ts";
import type { OutputFormat } from "./output-formats.ts";
import { showControls } from "./show-controls.ts";
import { type Json, styleOf, type View } from "./view.ts";

export const exchangeView: View<Exchange> = {
  fields: [
    ["sequence", (exchange) => sequenceField(exchange.sequence)],
    ["exchange_id", (exchange) => exchange.exchangeId],
    ["target", (exchange) => exchange.target],
    ["kind", (exchange) => exchange.kind],
    ["state", (exchange) => enumField(ExchangeState, exchange.state)],
    ["agent", (exchange) => exchange.agent],
    ["run_id", (exchange) => exchange.stepName?.runId ?? ""],
    ["step", (exchange) => exchange.stepName?.step ?? ""],
    ["attempt", (exchange) => exchange.stepName?.attempt ?? null],
    ["step_id", (exchange) => exchange.stepId],
    ["intended_at", (exchange) => instantField(exchange.intendedAt)],
    ["expires_at", (exchange) => instantField(exchange.expiresAt)],
    ["ended_at", (exchange) => instantField(exchange.endedAt)],
    ["ends_with_step", (exchange) => exchange.endable],
    ["reference", (exchange) => textField(exchange.reference)],
    ["failure", (exchange) => textField(exchange.failure)],
    ["issuance_id", (exchange) => textField(exchange.issuanceId)],
  ],
  columns: [
    { header: "SEQUENCE", text: (exchange) => String(exchange.sequence), align: "right" },
    { header: "TARGET", text: (exchange) => exchange.target },
    { header: "KIND", text: (exchange) => exchange.kind },
    { header: "RUN", text: (exchange) => exchange.stepName?.runId ?? "" },
    { header: "STEP", text: (exchange) => exchange.stepName?.step ?? "" },
    { header: "ATTEMPT", text: (exchange) => String(exchange.stepName?.attempt ?? ""), align: "right" },
    { header: "AGENT", text: (exchange) => exchange.agent },
    {
      header: "STATE",
      text: (exchange) => enumField(ExchangeState, exchange.state),
      style: ({ state }) => styleOf(state === ExchangeState.ISSUED, state === ExchangeState.UNKNOWN),
    },
    { header: "ASKED", text: (exchange) => instantCell(exchange.intendedAt) },
    { header: "EXPIRES", text: (exchange) => instantCell(exchange.expiresAt) },
    { header: "REFERENCE", text: (exchange) => exchange.reference },
  ],
};

/** What may be alive at other systems: for people sentences, for programs data; no member where there is no list. */
export function standingField(
  exchanges: readonly StandingExchange[] | undefined,
  output: OutputFormat,
): Json | undefined {
  if (exchanges === undefined) return undefined;
  if (output !== "table") return exchanges.map(standingRecord);
  return exchanges.length === 0 ? undefined : exchanges.map(standingSentence).join("; ");
}

function standingRecord({ exchangeId, target, kind, stepId, expiresAt, standing, failure }: StandingExchange): Json {
  return {
    exchange_id: exchangeId,
    ...{ target, kind },
    step_id: stepId,
    expires_at: instantField(expiresAt),
    standing: enumField(Standing, standing),
    failure: textField(failure),
  };
}

/** `vault until 12:00:00: being ended; vault did not answer within 10 s`. */
function standingSentence({ target, expiresAt, standing, failure }: StandingExchange): string {
  const until = `${target}, until ${instantCell(expiresAt)}`;
  if (standing === Standing.HELD) return until;
  if (standing === Standing.LAPSING) return `${until}: nobody can end it before`;
  return `${until}: being ended${failure === "" ? "" : ` (it ${showControls(failure)})`}`;
}
