import { decidedOn } from "../../src/domain/decision.ts";
import type { ExchangeIntent, ExchangeOutcome } from "../../src/domain/exchange.ts";
import { ID_RANDOM_BYTES, newId } from "../../src/domain/ids.ts";
import type { Step } from "../../src/domain/step.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import type { IntendExchangeAct } from "../../src/ports/exchange-acts.ts";
import type { World } from "./ledger-world.ts";

/** A secret that is about to be asked of another system for a step. */
export function intentFor({ clock }: World, { stepId }: Step, own: Partial<ExchangeIntent> = {}): ExchangeIntent {
  const now = clock.now();
  return {
    exchangeId: newId("exchange", now, crypto.getRandomValues(new Uint8Array(ID_RANDOM_BYTES))),
    stepId,
    target: "bao",
    kind: "openbao",
    requestId: crypto.randomUUID(),
    expiresAt: addSeconds(secondsOf(now), 60),
    endable: true,
    ...own,
  };
}

export function intendAct(world: World, step: Step, exchange: ExchangeIntent): IntendExchangeAct {
  const entry = { entryId: step.agentEntryId, revision: world.asDecided(step.agentEntryId).revision };
  return { act: "intend-exchange", exchange, decidedOn: decidedOn(entry), now: world.clock.now() };
}

export function answerAct({ clock }: World, { exchangeId }: ExchangeIntent, outcome: ExchangeOutcome) {
  return { act: "answer-exchange", exchangeId, outcome, now: clock.now() } as const;
}

export function endAct({ clock }: World, { exchangeId }: ExchangeIntent, ending: "told" | "lapsed" = "told") {
  return { act: "end-exchange", exchangeId, ending, now: clock.now() } as const;
}
