import type { ExchangeKind } from "../domain/exchange.ts";
import type { SpiffeId } from "../domain/spiffe-id.ts";
import type { StepNames } from "../domain/step-names.ts";
import type { UnixSeconds } from "../domain/time.ts";

/** Another system that has secrets for steps. */
export type ExchangeTarget = {
  readonly kind: ExchangeKind;
  /** Whether a JWT-SVID of the step is traded; otherwise the other system is asked in the broker's own name. */
  readonly takesToken: boolean;
  /** The shortest lifetime that the other system knows, in seconds; 0: any. */
  readonly secondsMin: number;
  /**
   * Asks for a secret. Durable on the broker's side by then: the intent.
   *
   * @throws ExchangeFailure, and nothing else
   */
  issue(order: ExchangeOrder): Promise<IssuedSecret>;
  /**
   * Ends what was issued, whether or not its answer ever came. Idempotent: resolves too where nothing of it is there any
   * more. Absent: nobody can end it.
   *
   * @throws ExchangeFailure when it may still be good
   */
  readonly end?: (ended: EndedExchange) => Promise<void>;
};

export type ExchangeOrder = {
  readonly exchangeId: string;
  readonly spiffeId: SpiffeId;
  readonly names: StepNames;
  /** The JWT-SVID; empty where none is traded. */
  readonly token: string;
  /** Exclusive. What is issued must not outlive this, unless it can be ended before. */
  readonly expiresAt: UnixSeconds;
  readonly now: UnixSeconds;
};

export type IssuedSecret = {
  /** By names: `token`, or `username` and `password`, ….  */
  readonly secret: Readonly<Record<string, string>>;
  /** Exclusive: when the other system ends it by itself. */
  readonly expiresAt: UnixSeconds;
  /** For the ledger: no secret, and nothing by which anything can be done. */
  readonly reference?: string;
  /** What `end` needs, and nobody else may see; absent where the exchange's id says it all. */
  readonly handle?: string;
};

export type EndedExchange = {
  readonly exchangeId: string;
  readonly spiffeId: SpiffeId;
  readonly names: StepNames;
  /** As it was issued; absent where there is none, or where the answer never came. */
  readonly handle?: string;
  /** Handles of other exchanges of the same step at this target that go on: to be left alone. */
  readonly others: readonly string[];
};
