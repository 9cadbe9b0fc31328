import { Readable } from "node:stream";
import { Agent, type Dispatcher, request as sendRequest } from "undici";
import type { Answer } from "../sdk/mcp-guard/answer.ts";
import { isEventStream } from "../sdk/mcp-guard/content-type.ts";
import type { ForwardedRequest } from "../sdk/mcp-guard/guarded-request.ts";
import { isTold, sentHeaders } from "../sdk/mcp-guard/passed-headers.ts";
import { UpstreamFailure } from "./upstream-failure.ts";
import { wholeTextOf } from "./whole-text.ts";

/** A server that is reached by streamable HTTP. */
export type HttpUpstream = {
  /**
   * Sends one request. Follows no redirect, and waits for an answer as long as the request's signal lets it: a call may take as
   * long as its step.
   *
   * @param body - `undefined` for a request without one.
   * @param injected - headers with secrets.
   * @throws UpstreamFailure UPSTREAM_UNREACHABLE, UPSTREAM_REFUSED, UPSTREAM_MALFORMED; and the signal's reason
   */
  ask(
    request: Omit<ForwardedRequest, "url">,
    body: unknown,
    injected: Readonly<Record<string, string>>,
  ): Promise<Answer>;
  /** Ends all connections. */
  close(): void;
};

export function createHttpUpstream(url: string): HttpUpstream {
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  return {
    async ask({ method, headers: given, signal }, message, injected) {
      const body = message === undefined ? null : JSON.stringify(message);
      try {
        const headers = { ...sentHeaders(given), ...injected };
        const sent = { dispatcher, method: method as Dispatcher.HttpMethod, headers, body, signal };
        return await answerOf(await sendRequest(url, sent));
      } catch (thrown) {
        if (signal.aborted) throw signal.reason;
        throw thrown instanceof UpstreamFailure
          ? thrown
          : new UpstreamFailure("UPSTREAM_UNREACHABLE", "the server can't be reached", { cause: thrown });
      }
    },
    close: () => void dispatcher.destroy().catch(() => undefined),
  };
}

async function answerOf({ statusCode: status, headers: given, body }: Dispatcher.ResponseData): Promise<Answer> {
  const refused = refusalOf(status);
  if (refused !== undefined) {
    void body.dump({ limit: 0 }).catch(() => undefined);
    throw refused;
  }
  const headers = new Headers();
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === "string" && isTold(name)) headers.set(name, value);
  }
  if (isEventStream(headers))
    return { status, headers, body: Readable.toWeb(body) as ReadableStream<Uint8Array<ArrayBuffer>> };
  const text = await wholeTextOf(body);
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
