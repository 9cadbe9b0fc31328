import { BrokerError, type Denial, denial } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { AnswerExchangeAct, EndExchangeAct, IntendExchangeAct } from "../../ports/exchange-acts.ts";
import type { Sequenced } from "../../ports/ledger-acts.ts";
import { answered, ask, type Deliberation, read, refused } from "../rule.ts";
import type { GuardedExchange } from "../view.ts";
import { issuingRefusal, riseAround } from "./issuances.ts";
import { eachDecidedOn, guardsOf } from "./refusals.ts";
import { recordedAll, sequenced } from "./sequenced.ts";

/** The guards stand in the order that the port gives them. */
export function* intendExchange(act: IntendExchangeAct): Deliberation<Sequenced | Denial> {
  const { exchange, decidedOn, now } = act;
  const { step, standing, inForce, ...guards } = yield* ask({
    step: read("step", exchange.stepId),
    standing: read("standingExchanges", exchange.stepId, exchange.requestId, now),
    inForce: read("policiesInForce"),
    ...guardsOf([decidedOn]),
  });
  // Where no policies are in force nobody judges, so that nothing may wait for it.
  const { rise = 0 } = yield* ask({ rise: inForce.version === 0 ? undefined : riseAround(step) });
  const situation = {
    step,
    undecided: eachDecidedOn([decidedOn], guards)(decidedOn),
    riskRoseAt: rise,
    pinned: step?.executable,
    now,
  };
  const refusal = issuingRefusal({ ...act, expiresAt: exchange.expiresAt }, situation) ?? standingRefusal(standing);
  if (refusal !== undefined) return refused(refusal);
  return recordedAll([{ type: "exchange.intended", v: 1, at: now, exchange }]);
}

function standingRefusal({ count, isKnown }: { readonly count: number; readonly isKnown: boolean }) {
  if (isKnown) {
    return denial("REQUEST_ID_REUSED", "this request was answered, and a secret is given once: ask anew");
  }
  if (count < LIMITS.exchangesPerStepMax) return undefined;
  return denial("LIMIT_EXCEEDED", `the step has ${LIMITS.exchangesPerStepMax} secrets of other systems already`);
}

export function* answerExchange({ exchangeId, outcome, now }: AnswerExchangeAct): Deliberation<Sequenced> {
  const { exchange } = yield* ask({ exchange: read("exchange", exchangeId) });
  if (known(exchange).state !== "intended") return answered(sequenced(0));
  return recordedAll([{ type: "exchange.answered", v: 1, at: now, exchangeId, outcome }]);
}

export function* endExchange({ exchangeId, ending, now }: EndExchangeAct): Deliberation<Sequenced> {
  const { exchange } = yield* ask({ exchange: read("exchange", exchangeId) });
  const { state } = known(exchange);
  if (state === "failed" || state === "ended") return answered(sequenced(0));
  return recordedAll([{ type: "exchange.ended", v: 1, at: now, exchangeId, ending }]);
}

function known(exchange: GuardedExchange | undefined): GuardedExchange {
  if (exchange === undefined) throw new BrokerError("STEP_NOT_FOUND", "no exchange has this id");
  return exchange;
}
