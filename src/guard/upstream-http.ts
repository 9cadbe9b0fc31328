import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { Answer } from "../sdk/mcp-guard/answer.ts";
import { answerTo } from "../sdk/mcp-guard/answer-to.ts";
import { isEventStream } from "../sdk/mcp-guard/content-type.ts";
import type { ForwardedRequest } from "../sdk/mcp-guard/guarded-request.ts";
import { isTold, sentHeaders } from "../sdk/mcp-guard/passed-headers.ts";
import { UpstreamFailure } from "./upstream-failure.ts";
import { wholeTextOf } from "./whole-text.ts";

/**
 * Sends one request to a server that speaks streamable HTTP. Follows no redirect, and waits for an answer as long as the
 * request's signal lets it: a call may take as long as its step.
 *
 * @param body - `undefined` for a request without one.
 * @param injected - headers with secrets.
 * @throws UpstreamFailure UPSTREAM_UNREACHABLE, UPSTREAM_REFUSED, UPSTREAM_MALFORMED; and the signal's reason
 */
export async function askUpstream(
  url: string,
  request: Omit<ForwardedRequest, "url">,
  body: unknown,
  injected: Readonly<Record<string, string>>,
): Promise<Answer> {
  const { method, signal } = request;
  const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  try {
    const headers = { ...sentHeaders(request.headers), ...injected };
    return await answerOf(await answerTo(url, { method, signal, headers }, bytes));
  } catch (thrown) {
    if (signal.aborted) throw signal.reason;
    throw thrown instanceof UpstreamFailure
      ? thrown
      : new UpstreamFailure("UPSTREAM_UNREACHABLE", "the server can't be reached", { cause: thrown });
  }
}

async function answerOf(incoming: IncomingMessage): Promise<Answer> {
  const { statusCode: status = 502 } = incoming;
  const refused = refusalOf(status);
  if (refused !== undefined) {
    incoming.destroy();
    throw refused;
  }
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (typeof value === "string" && isTold(name)) headers.set(name, value);
  }
  if (isEventStream(headers)) return { status, headers, body: Readable.toWeb(incoming) as Answer["body"] };
  const text = await wholeTextOf(incoming);
  return { status, headers, body: text === "" ? null : text };
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
