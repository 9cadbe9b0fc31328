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

/** What policies say of one element of a request. */
export type ElementAnswer = {
  readonly effect: "allow" | "deny";
  /** The policies that determined the effect. */
  readonly policies: readonly string[];
  /** Why the element is denied, in words that may be shown to the caller. */
  readonly reason?: string;
};

export type PolicyAnswer = {
  /** One answer for each element of `requested`, in the same order. An element without an answer is denied. */
  readonly elements: readonly ElementAnswer[];
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
