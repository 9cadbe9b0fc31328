import type { DecidedOnWorld, Decision, Situation } from "../domain/decision.ts";
import { BrokerError } from "../domain/errors.ts";

/** What policy says of one call now, and on which state of the world. */
export type CallPolicyAnswer = Pick<Decision, "effect" | "determiningPolicies" | "policyDigest" | "policyErrors"> & {
  readonly situation?: Situation;
  readonly world: DecidedOnWorld;
};

/** A denial by policy, with what is recorded of it. */
export class PolicyDenied extends BrokerError {
  readonly answer: CallPolicyAnswer;

  constructor(message: string, answer: CallPolicyAnswer) {
    super("POLICY_DENIED", message);
    this.answer = answer;
  }
}
