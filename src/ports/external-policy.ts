import type { PolicyAnswer, PolicyRequest } from "./policy-engine.ts";

/**
 * Decides outside of the broker, beside the policies of its ledger or in their stead. What it decides by is its own
 * affair: it is given no set of policies, and asked for none.
 */
export type ExternalPolicy = {
  /** Goes before the names of its policies in decisions, e.g. `opa`. */
  readonly name: string;
  /**
   * One question for all elements of a request. An answer that is no decision denies everything, and `errors` says what
   * was wrong with it. Never sets `approval`. Never keeps the event loop waiting.
   *
   * @throws BrokerError NOT_SERVING where there was no answer, which later there may be; LIMIT_EXCEEDED for a request
   *   that is too large to be sent. Any throw is a deny.
   */
  evaluate(request: PolicyRequest): Promise<PolicyAnswer>;
  /** Lets go of its connections. Questions that are not answered yet end with NOT_SERVING. */
  close(): Promise<void>;
};
