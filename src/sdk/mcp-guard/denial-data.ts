import type { GrantElement } from "../../domain/grant.ts";

/** What was refused of authority, beside the reason. */
export type McpDenial = {
  /** What the call would have taken. */
  readonly refused: GrantElement;
  /** Of the broker, where the broker itself has denied it. */
  readonly decisionId?: string;
  /** The role that may approve the call; absent where approving can't help. */
  readonly approval?: string;
  /** Set for a call that waits for its approval, until when (RFC 3339). */
  readonly pending?: { readonly approvalId: string; readonly until: string };
};

/** What a header may grow by; what is longer is in the body alone. */
const DESCRIBED_CHARACTERS_MAX = 1_024;

/**
 * What `data` says of a denial beside the decision's id: `refused`, `approval`, and of a call that waits `approval_id` and
 * `approval_until` in Stint's words, and `authorization` in the shape of an open proposal.
 *
 * @param options.isForToken - a wider token would do, and a challenge says so with authority: then a hint says which.
 * @see SEP-2643 at 0139eed7, a draft
 */
export function denialData(
  { refused, decisionId, approval, pending }: McpDenial,
  { isForToken }: { readonly isForToken: boolean },
): Readonly<Record<string, unknown>> {
  return {
    refused: [refused],
    ...(approval !== undefined && { approval }),
    ...(pending !== undefined && { approval_id: pending.approvalId, approval_until: pending.until }),
    authorization: {
      reason: "insufficient_authorization",
      ...(decisionId !== undefined && { authorizationContextId: decisionId }),
      ...(isForToken && {
        remediationHints: [{ type: "oauth_authorization_details", authorization_details: [refused] }],
      }),
    },
  };
}

/**
 * The same for a challenge's description, which is all that the official client keeps of a 403:
 * ` (refused: erase at https://mcp.example.org to read,write of internal; decision: dec_…; approval: operators)`, and of a call
 * that waits `; approval-id: call_…` before the end.
 */
export function describedDenial({ refused, decisionId, approval, pending }: McpDenial): string {
  const { identifier, locations, actions, datatypes } = refused;
  const parts = [
    `refused: ${identifier} at ${locations.join(",")} to ${actions.join(",")} of ${datatypes.join(",")}`,
    ...(decisionId === undefined ? [] : [`decision: ${decisionId}`]),
    ...(approval === undefined ? [] : [`approval: ${approval}`]),
    ...(pending === undefined ? [] : [`approval-id: ${pending.approvalId}`]),
  ];
  const told = parts.join("; ");
  const short = parts.slice(1).join("; ");
  if (told.length <= DESCRIBED_CHARACTERS_MAX) return ` (${told})`;
  return short === "" ? "" : ` (${short})`;
}
