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
  /** Why an approver has refused the call, in that person's words. */
  readonly approverReason?: string;
};

/** What a header may grow by; what is longer is in the body alone. */
const DESCRIBED_CHARACTERS_MAX = 1_024;
/** The same for a person's words, which are cut rather than left out. */
const DESCRIBED_REASON_CHARACTERS_MAX = 1_024;
/** What would end the part of the description that it is in, or is not for a header's quoted string (RFC 6750 section 3). */
const ESCAPED = /[^\x20-\x7e]|[%();"\\]/u;

/**
 * What `data` says of a denial beside the decision's id: `refused`, `approval`, of a call that waits `approval_id` and
 * `approval_until`, and of one that was refused `approver_reason`, in Stint's words, and `authorization` in the shape of an open proposal.
 *
 * @param options.isForToken - a wider token would do, and a challenge says so with authority: then a hint says which.
 * @see SEP-2643 at 0139eed7, a draft
 */
export function denialData(
  { refused, decisionId, approval, pending, approverReason }: McpDenial,
  { isForToken }: { readonly isForToken: boolean },
): Readonly<Record<string, unknown>> {
  return {
    refused: [refused],
    ...(approval !== undefined && { approval }),
    ...(pending !== undefined && { approval_id: pending.approvalId, approval_until: pending.until }),
    ...(approverReason !== undefined && { approver_reason: approverReason }),
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
 * that waits `; approval-id: call_…` before the end. Of one that was refused `; approver-reason: …` is there instead, percent-encoded
 * where it has to be.
 */
export function describedDenial({ refused, decisionId, approval, pending, approverReason }: McpDenial): string {
  const { identifier, locations, actions, datatypes } = refused;
  const parts = [
    `refused: ${identifier} at ${locations.join(",")} to ${actions.join(",")} of ${datatypes.join(",")}`,
    ...(decisionId === undefined ? [] : [`decision: ${decisionId}`]),
    ...(approval === undefined ? [] : [`approval: ${approval}`]),
    ...(pending === undefined ? [] : [`approval-id: ${pending.approvalId}`]),
  ];
  const isShort = parts.join("; ").length <= DESCRIBED_CHARACTERS_MAX;
  const words = approverReason === undefined ? [] : [`approver-reason: ${describedReason(approverReason)}`];
  const told = [...(isShort ? parts : parts.slice(1)), ...words].join("; ");
  return told === "" ? "" : ` (${told})`;
}

function describedReason(reason: string): string {
  const characters = [...reason].map((one) => (ESCAPED.test(one) ? percentEncoded(one) : one));
  const whole = characters.join("");
  if (whole.length <= DESCRIBED_REASON_CHARACTERS_MAX) return whole;
  const ellipsis = percentEncoded("…");
  let text = "";
  for (const one of characters) {
    if (text.length + one.length + ellipsis.length > DESCRIBED_REASON_CHARACTERS_MAX) break;
    text += one;
  }
  return text + ellipsis;
}

/** Of characters that `encodeURIComponent` leaves alone too. */
function percentEncoded(character: string): string {
  return [...Buffer.from(character)].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
}
