import type { Grant } from "../domain/grant.ts";
import type { AgentEntry } from "../domain/registration-entry.ts";

export type PolicyRequest = {
  readonly act: "open" | "issue";
  readonly entry: AgentEntry;
  readonly requested: Grant;
  readonly runId: string;
  readonly step: string;
  readonly workflow?: string;
  readonly purpose?: string;
};

export type PolicyAnswer = {
  /** Elements of `requested`, unchanged; whatever is not in here is denied. */
  readonly permitted: Grant;
  readonly determiningPolicies: readonly string[];
  /** SHA-256, hexadecimal, of the policies in force. */
  readonly policyDigest: string;
};

/**
 * Decides at run time within the ceiling, which `decide` has applied before. Denies what no policy permits; throws
 * nothing but BrokerError, and any throw is a deny.
 */
export type Policy = {
  evaluate(request: PolicyRequest): Promise<PolicyAnswer>;
};
