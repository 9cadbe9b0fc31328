import { signalledRequest } from "./signalled-request.ts";

/** The header that names a session. */
export const SESSION_HEADER = "mcp-session-id";

/** What says who sends a request, and what another body would contradict. */
const NOT_FORWARDED = [
  "authorization",
  "dpop",
  "workload-identity-token",
  "workload-proof-token",
  "content-length",
  "content-encoding",
  "transfer-encoding",
];

/**
 * What was looked at, and no more: without the credentials, and with the body as it was understood.
 *
 * @param sessionId - the session in which it is served; `undefined`: in none, whatever its headers say.
 */
export function forwardedRequest(
  request: Request,
  body: unknown,
  sessionId: string | undefined,
  signal: AbortSignal,
): Request {
  const headers = new Headers(request.headers);
  if (sessionId === undefined) headers.delete(SESSION_HEADER);
  for (const name of NOT_FORWARDED) headers.delete(name);
  return signalledRequest(request.url, { method: "POST", headers, body: JSON.stringify(body), signal });
}
