import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Exchange } from "../domain/exchange.ts";
import {
  type ExchangeSchema,
  type StandingExchangeSchema,
  Standing as StandingMessage,
  ExchangeState as StateMessage,
} from "../gen/stint/v1/types_pb.js";
import { stepNameMessageOf } from "./step-message.ts";
import { timestampOfMicros, timestampOfSeconds } from "./timestamps.ts";

const STATES = {
  intended: StateMessage.INTENDED,
  issued: StateMessage.ISSUED,
  unknown: StateMessage.UNKNOWN,
  failed: StateMessage.FAILED,
  ended: StateMessage.ENDED,
} as const satisfies Record<Exchange["state"], StateMessage>;

export function exchangeMessageOf(exchange: Exchange): MessageInitShape<typeof ExchangeSchema> {
  const { step, state, ending, intendedAt, expiresAt, endedAt } = exchange;
  const { exchangeId, stepId, target, kind, reference = "", failure = "", endable, issuanceId = "" } = exchange;
  return {
    ...{ exchangeId, stepId, target, kind, reference, failure, endable, issuanceId },
    stepName: stepNameMessageOf(step),
    agent: step.agent,
    state: ending === "lapsed" ? StateMessage.LAPSED : STATES[state],
    intendedAt: timestampOfMicros(intendedAt),
    expiresAt: timestampOfSeconds(expiresAt),
    ...(endedAt === undefined ? {} : { endedAt: timestampOfMicros(endedAt) }),
    sequence: BigInt(exchange.sequence),
  };
}

/** An exchange of which something may be alive, as the broker keeps it beside the ledger. */
type StandingExchange = Pick<Exchange, "exchangeId" | "stepId" | "target" | "kind" | "expiresAt" | "failure"> & {
  readonly standing: "held" | "ending" | "lapsing";
};

const STANDINGS = {
  held: StandingMessage.HELD,
  ending: StandingMessage.ENDING,
  lapsing: StandingMessage.LAPSING,
} as const satisfies Record<StandingExchange["standing"], StandingMessage>;

export function standingExchangeMessageOf({
  standing,
  expiresAt,
  failure = "",
  ...exchange
}: StandingExchange): MessageInitShape<typeof StandingExchangeSchema> {
  return { ...exchange, failure, expiresAt: timestampOfSeconds(expiresAt), standing: STANDINGS[standing] };
}
