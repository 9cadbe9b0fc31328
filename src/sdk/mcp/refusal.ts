import type { VerificationCode, VerificationError } from "../verifier/index.ts";

/** Why the guard itself refuses, before or beside the verifier. */
export const GUARD_REASONS = [
  "TOKEN_MISSING",
  "HTTP_METHOD_REFUSED",
  "BODY_TOO_LARGE",
  "REQUEST_MALFORMED",
  "HEADER_MISMATCH",
  "METHOD_REFUSED",
  "TOOL_UNDECLARED",
  "STEP_CLOSED",
  "INTERNAL",
] as const;

/** The verifier's words, but for a step that has ended: it is `STEP_CLOSED` with its state, as it is to its runtime. */
export type RefusalReason = (typeof GUARD_REASONS)[number] | VerificationCode;

/** JSON-RPC codes. */
export const REFUSAL_CODES = {
  parseError: -32_700,
  invalidRequest: -32_600,
  internalError: -32_603,
  /** As MCP defines it. */
  headerMismatch: -32_020,
  /** Ours for every refusal of authority, in the range that MCP leaves to implementations; `data.reason` says which. */
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
  /** The parameters of `WWW-Authenticate: Bearer`, but for the metadata's URL; absent: no such header. */
  readonly challenge?: { readonly error?: string; readonly scope?: string | undefined };
  readonly headers?: Readonly<Record<string, string>>;
};

/** How soon a client may try a verifier again that has lost its feed: it reconnects within two seconds. */
const RETRY_AFTER_SECONDS = 2;

export function refusal(refused: Omit<Refusal, "kind">): Refusal {
  return { kind: "refusal", ...refused };
}

/**
 * What a verification error means to a client: 401 with a new token, 403 with a wider grant, 503 later. A verifier that
 * cannot tell is no reason to ask for new tokens, hence not 401.
 *
 * @param scope - what the call takes, where that is known.
 * @see RFC 6750 section 3.1, MCP authorization
 */
export function refusalOf(error: VerificationError, scope?: string): Refusal {
  const ended = error.code === "REVOKED" && error.metadata["state"] !== undefined;
  const terms = {
    code: REFUSAL_CODES.refused,
    reason: ended ? ("STEP_CLOSED" as const) : error.code,
    message: error.message,
    ...(ended && { details: { state: error.metadata["state"] ?? "" } }),
  };
  switch (error.fault) {
    case "token":
      return refusal({ ...terms, status: 401, challenge: { error: "invalid_token", scope } });
    case "grant":
      return refusal({ ...terms, status: 403, challenge: { error: "insufficient_scope", scope } });
    case "verifier":
      return refusal({ ...terms, status: 503, headers: { "retry-after": String(RETRY_AFTER_SECONDS) } });
  }
}

/** The JSON-RPC error of a refusal. @param id - of the request, where one was read. */
export function errorMessageOf(refused: Refusal, id: string | number | null): string {
  const { code, message, reason, details } = refused;
  return JSON.stringify({ jsonrpc: "2.0", id, error: { code, message, data: { reason, ...details } } });
}

/** The HTTP answer of a refusal. */
export function responseOf(refused: Refusal, id: string | number | null, metadataUrl: string): Response {
  const headers = new Headers({ "content-type": "application/json", "cache-control": "no-store", ...refused.headers });
  if (refused.challenge !== undefined) headers.set("www-authenticate", challengeOf(refused, metadataUrl));
  return new Response(errorMessageOf(refused, id), { status: refused.status, headers });
}

function challengeOf({ challenge, message }: Refusal, metadataUrl: string): string {
  const parameters = [];
  if (challenge?.error !== undefined) {
    parameters.push(`error="${challenge.error}"`, `error_description="${quotable(message)}"`);
  }
  if (challenge?.scope !== undefined) parameters.push(`scope="${challenge.scope}"`);
  return `Bearer ${[...parameters, `resource_metadata="${metadataUrl}"`].join(", ")}`;
}

/** RFC 6750 section 3: printable ASCII without `"` and `\`. */
function quotable(text: string): string {
  return text.replaceAll(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, " ");
}
