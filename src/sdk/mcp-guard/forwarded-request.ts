import type { ForwardedRequest } from "./guarded-request.ts";

/** The header that names a session. */
export const SESSION_HEADER = "mcp-session-id";

/** What says who sends a request, and what another body would contradict. */
const NOT_FORWARDED = [
  "authorization",
  "dpop",
  "workload-identity-token",
  "txn-token",
  "content-length",
  "content-encoding",
  "transfer-encoding",
];

export type ForwardedTerms = {
  /** The session in which it is served; `undefined`: in none, whatever its headers say. */
  readonly sessionId: string | undefined;
  /** The answer is going to be looked at: it must come as it is. */
  readonly unencoded: boolean;
  readonly signal: AbortSignal;
};

/** What was looked at, and no more: without the credentials, and with nothing that another body would contradict. */
export function forwardedRequest(
  { method, url, headers: given }: Pick<ForwardedRequest, "method" | "url" | "headers">,
  { sessionId, unencoded, signal }: ForwardedTerms,
): ForwardedRequest {
  const headers = new Headers(given);
  if (sessionId === undefined) headers.delete(SESSION_HEADER);
  if (unencoded) headers.delete("accept-encoding");
  for (const name of NOT_FORWARDED) headers.delete(name);
  return { method, url, headers, signal };
}
