import type { Action } from "./grant.ts";

/** What became of a call, as far as the server that has the tool can tell by the head of its answer. */
export const USAGE_OUTCOMES = ["served", "refused", "failed", "stopped"] as const;
export type UsageOutcome = (typeof USAGE_OUTCOMES)[number];

/** Calls of one tool by one step, as a verifier reports them. A tool that does several things is there once for each. */
export type Usage = {
  readonly stepId: string;
  readonly tool: string;
  readonly action: Action;
  readonly outcome: UsageOutcome;
  /** 1 or more. */
  readonly calls: number;
};
