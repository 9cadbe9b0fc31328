import type { GrantElement } from "../../domain/grant.ts";
import { JWS_ALGORITHMS } from "../../verify/jws-signature.ts";
import type { VerificationCode, VerificationError } from "../verifier/index.ts";
import type { Answer } from "./answer.ts";
import { denialData, describedDenial, type McpDenial } from "./denial-data.ts";

/** Why the guard itself refuses, before or beside the verifier. */
export const GUARD_REASONS = [
  "HTTP_METHOD_REFUSED",
  "BODY_TOO_LARGE",
  "REQUEST_MALFORMED",
  "HEADER_MISMATCH",
  "METHOD_REFUSED",
  "TOOL_UNDECLARED",
  "RESOURCE_UNDECLARED",
  "PROMPT_UNDECLARED",
  "SESSION_NOT_FOUND",
  "REQUEST_STATE_INVALID",
  "TASK_NOT_FOUND",
  "STEP_CLOSED",
  "INTERNAL",
] as const;

/** The verifier's words, but for a step that has ended: it is `STEP_CLOSED` with its state, as it is to its runtime. */
export type RefusalReason = (typeof GUARD_REASONS)[number] | VerificationCode;

/** JSON-RPC codes. */
export const REFUSAL_CODES = {
  parseError: -32_700,
  invalidRequest: -32_600,
  methodNotFound: -32_601,
  invalidParams: -32_602,
  internalError: -32_603,
  /** As both lines of the MCP SDK say it. */
  sessionNotFound: -32_001,
  /** As MCP defines it. */
  headerMismatch: -32_020,
  /** Ours for every refusal of authority that another token could mend, in the range that MCP leaves to implementations; `data.reason` says which. */
  refused: -32_010,
} as const;

/** An answer that says no. */
export type Refusal = {
  readonly kind: "refusal";
  readonly status: number;
  readonly code: number;
  readonly reason: RefusalReason;
  /** Without quotation marks: it goes into a header's quoted string. */
  readonly message: string;
  /** For `data`, beside the reason. */
  readonly details?: Readonly<Record<string, string>>;
  /** Of a call that the step may not make. */
  readonly denial?: McpDenial;
  /** What `WWW-Authenticate` says; absent: no such header. */
  readonly challenges?: readonly Challenge[];
  readonly headers?: Readonly<Record<string, string>>;
};

/** A scheme that would do, with its parameters, but for those that every challenge of the scheme has. */
type Challenge = {
  readonly scheme: "Bearer" | "DPoP" | "WPT";
  readonly error?: string;
  readonly scope?: string | undefined;
};

/** What a challenge depends on beside the error. */
export type ChallengeTerms = {
  /** Of the request. */
  readonly scheme: "Bearer" | "DPoP" | "WPT";
  /** Whether DPoP is taken here. */
  readonly dpop: boolean;
  /** Whether WIT-SVIDs with their proofs are. */
  readonly wpt: boolean;
  /** What the call takes, where that is known. */
  readonly scope?: string | undefined;
  /** The same as an element of a grant. */
  readonly use?: GrantElement;
};

/** How soon a client may try a verifier again that has lost its feed: it reconnects within two seconds. */
const RETRY_AFTER_SECONDS = 2;

export function refusal(refused: Omit<Refusal, "kind">): Refusal {
  return { kind: "refusal", ...refused };
}

export function isRefusal(value: { readonly kind: string }): value is Refusal {
  return value.kind === "refusal";
}

export const INTERNAL = refusal({
  status: 500,
  code: REFUSAL_CODES.internalError,
  reason: "INTERNAL",
  message: "internal error",
});

/**
 * What a verification error means to a client: 401 with a new token or proof, 403 with a wider grant, 503 later. A verifier
 * that cannot tell is no reason to ask for new tokens, hence not 401. A request that is authenticated by a WIT-SVID gets the
 * challenge of that scheme, which has no parameters: the reason is in the body.
 *
 * @see RFC 6750 section 3.1, RFC 9449 section 7.1, draft-ietf-wimse-wpt section Error Conditions, MCP authorization
 */
export function refusalOf(error: VerificationError, terms: ChallengeTerms): Refusal {
  const ended = error.code === "REVOKED" && error.metadata["state"] !== undefined;
  const said = {
    code: REFUSAL_CODES.refused,
    reason: ended ? ("STEP_CLOSED" as const) : error.code,
    message: error.message,
    ...detailsOf(error),
  };
  const { scheme, scope } = terms;
  const isOfWit = scheme === "WPT" || error.metadata["credential"] === "wit-svid";
  switch (error.fault) {
    case "token":
      return isOfWit
        ? refusal({ ...said, status: 401, challenges: [{ scheme: "WPT" }] })
        : refusal({ ...said, ...tokenChallengeOf(error, terms) });
    case "grant": {
      const denied = { ...said, ...denialOf(error, terms), status: 403 };
      return isOfWit
        ? refusal(denied)
        : refusal({ ...denied, challenges: [{ scheme, error: "insufficient_scope", scope }] });
    }
    case "verifier":
      return refusal({ ...said, status: 503, headers: { "retry-after": String(RETRY_AFTER_SECONDS) } });
  }
}

/** What `data` says beside the reason: how the step ended, by which decision the broker itself has denied this, and how a tool's definition stands. */
function detailsOf({ code, metadata }: VerificationError): Pick<Refusal, "details"> {
  const { state, decision_id: decisionId, definition } = metadata;
  const details = {
    ...(code === "REVOKED" && state !== undefined && { state }),
    ...(decisionId !== undefined && { decision_id: decisionId }),
    ...(code === "TOOL_NOT_ACCEPTED" && definition !== undefined && { definition }),
  };
  return Object.keys(details).length === 0 ? {} : { details };
}

/** The broker's decision and who may approve, where the broker was asked. */
function denialOf({ metadata }: VerificationError, { use }: ChallengeTerms): Pick<Refusal, "denial"> {
  if (use === undefined) return {};
  const { decision_id: decisionId, approval, approval_id: approvalId, pending_until: until } = metadata;
  const { approver_reason: approverReason } = metadata;
  return {
    denial: {
      refused: use,
      ...(decisionId !== undefined && { decisionId }),
      ...(approval !== undefined && { approval }),
      ...(approvalId !== undefined && until !== undefined && { pending: { approvalId, until } }),
      ...(approverReason !== undefined && { approverReason }),
    },
  };
}

function tokenChallengeOf(
  { code, metadata }: VerificationError,
  { scheme, dpop, wpt, scope }: ChallengeTerms,
): Pick<Refusal, "status" | "challenges" | "headers"> {
  const bearer = (error: string) => ({ scheme: "Bearer" as const, error, scope });
  const dpopChallenge = (error: string) => ({ scheme: "DPoP" as const, error, scope });
  const also: readonly Challenge[] = [
    ...(dpop ? [{ scheme: "DPoP" as const, scope }] : []),
    ...(wpt ? [{ scheme: "WPT" as const }] : []),
  ];
  switch (code) {
    case "TOKEN_MISSING":
      // Whoever brought no token is told no error, only where tokens come from.
      return { status: 401, challenges: [{ scheme: "Bearer", scope }, ...also] };
    case "REQUEST_MALFORMED":
      return { status: 400, challenges: [bearer("invalid_request")] };
    case "NONCE_REQUIRED": {
      const headers = { "dpop-nonce": metadata["nonce"] ?? "" };
      return { status: 401, challenges: [dpopChallenge("use_dpop_nonce")], headers };
    }
    case "PROOF_INVALID":
    case "PROOF_REPLAYED":
      return { status: 401, challenges: [dpopChallenge("invalid_dpop_proof")] };
    case "PROOF_REQUIRED":
      if (metadata["proof"] === "dpop" && dpop) return { status: 401, challenges: [dpopChallenge("invalid_token")] };
      return { status: 401, challenges: [bearer("invalid_token"), ...also] };
    default:
      return { status: 401, challenges: [{ scheme, error: "invalid_token", scope }] };
  }
}

/** The JSON-RPC error of a refusal. @param id - of the request, where one was read. */
export function errorMessageOf(refused: Refusal, id: string | number | null): string {
  const { code, message, reason, details, denial, challenges = [] } = refused;
  const isForToken = reason === "GRANT_EXCEEDED" && challenges.length > 0;
  const data = { reason, ...details, ...(denial !== undefined && denialData(denial, { isForToken })) };
  return JSON.stringify({ jsonrpc: "2.0", id, error: { code, message, data } });
}

/** The HTTP answer of a refusal. */
export function answerOf(refused: Refusal, id: string | number | null, metadataUrl: string): Answer {
  const headers = new Headers({ "content-type": "application/json", "cache-control": "no-store", ...refused.headers });
  const { challenges = [], denial } = refused;
  if (challenges.length > 0) {
    // The word as well, since of a 403 with a challenge the official client shows nothing but this description.
    const description = `${refused.reason}: ${refused.message}${denial === undefined ? "" : describedDenial(denial)}`;
    headers.set("www-authenticate", challenges.map((one) => challengeText(one, description, metadataUrl)).join(", "));
  }
  return { status: refused.status, headers, body: errorMessageOf(refused, id) };
}

function challengeText({ scheme, error, scope }: Challenge, description: string, metadataUrl: string): string {
  if (scheme === "WPT") return scheme;
  const parameters = [];
  if (error !== undefined) parameters.push(`error="${error}"`, `error_description="${quotable(description)}"`);
  if (scope !== undefined) parameters.push(`scope="${scope}"`);
  // RFC 9449 section 7.1.
  if (scheme === "DPoP") parameters.push(`algs="${JWS_ALGORITHMS.join(" ")}"`);
  return `${scheme} ${[...parameters, `resource_metadata="${metadataUrl}"`].join(", ")}`;
}

/** RFC 6750 section 3: printable ASCII without `"` and `\`. */
function quotable(text: string): string {
  return text.replaceAll(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, " ");
}
