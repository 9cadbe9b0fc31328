/** Of a client's headers a server is sent these and `mcp-*`: no cookie, no key, nothing by which the client would be somebody. */
const SENT = ["accept", "content-type", "last-event-id", "traceparent", "tracestate"];
/** Of a server's answer a client is told these and `mcp-*`; a challenge would be taken for that of whoever stands between. */
const TOLD = ["content-type", "cache-control", "retry-after"];
const MCP = "mcp-";

/** What whoever stands between a client and a server passes on of a request's headers. */
export function sentHeaders(headers: Headers): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => SENT.includes(name) || name.startsWith(MCP)));
}

/** Whether a header of the server's answer is passed on. @param name - in lower case. */
export function isTold(name: string): boolean {
  return TOLD.includes(name) || name.startsWith(MCP);
}
