import type { HeldBack } from "../decide/held-back.ts";
import type { DecidedOnWorld, Decision, Situation } from "../domain/decision.ts";
import { BrokerError, type ErrorMetadata } from "../domain/errors.ts";
import type { UnixSeconds } from "../domain/time.ts";

/** What policy says of one call now, and on which state of the world. */
export type CallPolicyAnswer = Pick<Decision, "effect" | "determiningPolicies" | "policyDigest" | "policyErrors"> & {
  readonly situation?: Situation;
  readonly world: DecidedOnWorld;
  /** Who could let the call pass, where nothing else is in the way. */
  readonly heldBack?: HeldBack;
};

/** A call that waits for its approval. */
export type PendingAnswer = {
  readonly approvalId: string;
  /** When nobody can approve it any more; exclusive. */
  readonly until: UnixSeconds;
};

/** A denial by policy, with what is recorded of it. */
export class PolicyDenied extends BrokerError {
  readonly answer: CallPolicyAnswer;
  readonly pending: PendingAnswer | undefined;

  constructor(
    message: string,
    answer: CallPolicyAnswer,
    options: { readonly metadata?: ErrorMetadata; readonly pending?: PendingAnswer } = {},
  ) {
    super("POLICY_DENIED", message, { metadata: options.metadata ?? {} });
    this.answer = answer;
    this.pending = options.pending;
  }
}
