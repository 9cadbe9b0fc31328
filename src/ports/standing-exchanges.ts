import type { Exchange } from "../domain/exchange.ts";
import type { Cancel } from "./clock.ts";

/** A secret of another system of which something may be alive, and what is being done about it. */
export type StandingExchange = Pick<Exchange, "exchangeId" | "stepId" | "target" | "kind" | "expiresAt"> & {
  /** `held`: its step is open. `ending`: the other system is being told. `lapsing`: only its time ends it. */
  readonly standing: "held" | "ending" | "lapsing";
  /** Why the other system could not be told the last time; safe to show. */
  readonly failure?: string;
};

/** Kept in memory, beside the ledger: who has no exchanges costs no read. */
export type StandingExchanges = {
  /** Called when something ends, or is asked for in vain. */
  onChange(listener: () => void): Cancel;
  ofStep(stepId: string): readonly StandingExchange[];
  /** Those of the steps that were closed by this event, once all that can be ended is ended, or after `waitMs`. */
  afterClose(closedSequence: number, waitMs: number): Promise<readonly StandingExchange[]>;
};
