/**
 * The parts of a policy request by the names under which an external engine is sent them. Which of them it is sent is
 * configured, since whatever is sent leaves the broker.
 */
export const POLICY_MEMBERS = [
  "act",
  "agent",
  "runtime",
  "step",
  "workflow",
  "parent",
  "parent_step",
  "principal",
  "claims",
  "requested",
  "elements",
  "facts",
  "risk",
  "depth",
  "selectors",
  "confined_to",
  "at",
] as const;
export type PolicyMember = (typeof POLICY_MEMBERS)[number];

/**
 * What is sent where nothing is configured: names that operators gave and values of closed lists. Neither who a step
 * works for, nor what was attested of a caller, nor the names that runtimes give to runs and steps.
 */
export const POLICY_MEMBERS_DEFAULT: readonly PolicyMember[] = [
  "act",
  "agent",
  "runtime",
  "parent",
  "requested",
  "elements",
  "facts",
  "risk",
  "depth",
  "confined_to",
];
