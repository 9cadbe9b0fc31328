import { signalledRequest } from "./signalled-request.ts";

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

/** What was looked at, and no more: without the credentials, and with the body as it was understood. */
export function forwardedRequest(
  request: Pick<Request, "method" | "url" | "headers">,
  body: unknown,
  { sessionId, unencoded, signal }: ForwardedTerms,
): Request {
  const headers = new Headers(request.headers);
  if (sessionId === undefined) headers.delete(SESSION_HEADER);
  if (unencoded) headers.delete("accept-encoding");
  for (const name of NOT_FORWARDED) headers.delete(name);
  const { method, url } = request;
  return signalledRequest(url, { method, headers, signal, ...(body !== undefined && { body: JSON.stringify(body) }) });
}
