import type { Grant } from "../../domain/grant.ts";
import { isStintError, type McpRefusal, mcpRefusalOf, type StintError } from "../runtime/index.ts";

/** What a refusal says, whoever refused: the broker, a guarded server, or the SDK itself. */
export type RefusalFacts = {
  /** The tool whose call was refused. */
  readonly tool: string;
  /** `POLICY_DENIED`, `GRANT_EXCEEDED`, `STEP_CLOSED` and the like; take one that you do not know for a refusal. */
  readonly reason: string;
  /** What was not permitted; empty where nobody says. */
  readonly refused: Grant;
  /** How many elements more. */
  readonly refusedOmitted: number;
  /** The role that can approve it; absent where approving can't help, or nobody says. */
  readonly approval?: string;
  /** What waits for an approval: once that is given, the same call passes. */
  readonly approvalId?: string;
  readonly approvalUntil?: Date;
  /** What waited has ended with the step of the call: the same call, made again, asks anew. */
  readonly approvalEnded?: true;
  /** Why an approver has refused it, in that person's words. */
  readonly approverReason?: string;
  /** By which an operator finds out more: `stint explain`. */
  readonly decisionId?: string;
  /** How the step ended, of STEP_CLOSED. */
  readonly state?: string;
  /** The same call may succeed later. */
  readonly retryable: boolean;
};

/** Reasons of a guarded server that say "not now" rather than "no". */
const PASSING_AT_SERVER: readonly string[] = ["NOT_READY", "STALE", "CLOCK_SKEWED", "OVERLOADED", "UNAVAILABLE"];

/**
 * The refusal in whatever the work of a call threw, also behind what clients and frameworks wrap around it.
 *
 * @returns `undefined` where nobody refused: the tool itself failed. Never throws.
 */
export function refusalFactsOf(thrown: unknown, tool: string): RefusalFacts | undefined {
  const error = stintErrorIn(thrown);
  if (error !== undefined) return factsOfError(error, tool);
  const refusal = mcpRefusalOf(thrown);
  return refusal === undefined ? undefined : factsOfServer(refusal, tool);
}

/** Frameworks wrap what tools throw, some several times. */
const CAUSES_MAX = 8;

/** The StintError that was thrown, or that is behind what was. */
export function stintErrorIn(thrown: unknown): StintError | undefined {
  let error = thrown;
  for (let depth = 0; depth < CAUSES_MAX; depth += 1) {
    if (isStintError(error)) return error;
    if (!(error instanceof Error)) return undefined;
    error = error.cause;
  }
  return undefined;
}

function factsOfError({ reason, metadata, denial, retryable }: StintError, tool: string): RefusalFacts {
  const { refused = [], refusedOmitted = 0 } = denial ?? {};
  const { state } = metadata;
  const approval = denial === undefined ? metadata["approval"] : denial.approval;
  const decisionId = denial?.decisionId ?? metadata["decision_id"];
  return {
    tool,
    reason,
    refused: refused.map(({ element }) => element),
    refusedOmitted,
    ...(approval !== undefined && { approval }),
    ...(decisionId !== undefined && { decisionId }),
    ...(state !== undefined && { state }),
    retryable,
  };
}

/** What a server says is its claim, and must not speak to the model in our words: of a state it is a word, or nothing. */
function factsOfServer({ refused = [], reason, state, ...refusal }: McpRefusal, tool: string): RefusalFacts {
  return {
    ...refusal,
    tool,
    reason: WORD.test(reason) ? reason : "REFUSED",
    ...(state !== undefined && WORD.test(state) && { state }),
    refused,
    refusedOmitted: 0,
    retryable: PASSING_AT_SERVER.includes(reason),
  };
}

const WORD = /^[A-Z][A-Z0-9_]{0,63}$/;
