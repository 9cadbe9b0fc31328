import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { Readable } from "node:stream";
import { UpstreamFailure } from "./upstream-failure.ts";

/** Of a client's headers the server is sent these and `mcp-*`: no cookie, no key, nothing of the client's own. */
const SENT = ["accept", "content-type", "last-event-id", "traceparent", "tracestate"];
/** Of the server's answer a client is told these and `mcp-*`; a challenge would be taken for the guard's. */
const TOLD = ["content-type", "cache-control", "retry-after"];
const MCP = "mcp-";
const BODILESS = new Set([204, 205, 304]);

/**
 * Sends one request to a server that speaks streamable HTTP. Follows no redirect, and waits for an answer as long as the
 * request's signal lets it: a call may take as long as its step.
 *
 * @param body - `undefined` for a request without one.
 * @param injected - headers with secrets.
 * @throws UpstreamFailure UPSTREAM_UNREACHABLE, UPSTREAM_REFUSED; and the signal's reason
 */
export async function askUpstream(
  url: string,
  request: Pick<Request, "method" | "headers" | "signal">,
  body: unknown,
  injected: Readonly<Record<string, string>>,
): Promise<Response> {
  const { method, signal } = request;
  const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const headers = {
    ...Object.fromEntries([...request.headers].filter(([name]) => SENT.includes(name) || name.startsWith(MCP))),
    ...(bytes === undefined ? {} : { "content-length": String(bytes.length) }),
    ...injected,
  };
  const answered = Promise.withResolvers<Response>();
  const send = new URL(url).protocol === "https:" ? requestHttps : requestHttp;
  const outgoing = send(url, { method, headers, signal }, (incoming) => {
    const { statusCode: status = 502 } = incoming;
    const refused = refusalOf(status);
    if (refused !== undefined) {
      incoming.resume();
      answered.reject(refused);
      return;
    }
    const told = Object.entries(incoming.headers).flatMap(([name, value]): [string, string][] =>
      typeof value === "string" && (TOLD.includes(name) || name.startsWith(MCP)) ? [[name, value]] : [],
    );
    const isEmpty = BODILESS.has(status);
    if (isEmpty) incoming.resume();
    const content = isEmpty ? null : (Readable.toWeb(incoming) as ReadableStream<Uint8Array<ArrayBuffer>>);
    answered.resolve(new Response(content, { status, headers: told }));
  });
  outgoing.on("error", (cause) => {
    const failure = new UpstreamFailure("UPSTREAM_UNREACHABLE", "the server can't be reached", { cause });
    answered.reject(signal.aborted ? signal.reason : failure);
  });
  outgoing.end(bytes);
  return answered.promise;
}

function refusalOf(status: number): UpstreamFailure | undefined {
  if (status === 401 || status === 403 || status === 407) {
    return new UpstreamFailure("UPSTREAM_REFUSED", "the server does not let the guard in");
  }
  if (status >= 300 && status < 400 && status !== 304) {
    return new UpstreamFailure(
      "UPSTREAM_REFUSED",
      "the server sends the guard elsewhere, and the guard follows nowhere",
    );
  }
  return undefined;
}
