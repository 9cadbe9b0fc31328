import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { TLSSocket } from "node:tls";
import { getRequestListener } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { breakOff, sendable } from "./sendable-response.ts";
import { signalledRequest } from "./signalled-request.ts";

type NodeRequest = (IncomingMessage | Http2ServerRequest) & {
  readonly body?: unknown;
  readonly originalUrl?: string;
};

/** A listener for `node:http`, `node:https` and `node:http2`, and a handler for Express, which may have parsed the body. */
export type NodeListener = (request: NodeRequest, response: ServerResponse | Http2ServerResponse) => Promise<void>;

/**
 * Carries requests from Node to a function of the fetch kind, and its answers back: with back-pressure, and with a signal
 * that aborts when the client goes away.
 * Where TLS ends here, the certificate goes along that its client has shown to be its own.
 *
 * @param resource - gives requests their origin; what a client says in `Host` is not believed.
 * @param serve - its rejection becomes a 500 without a body.
 * @param onError - told what it rejected with, and what a body failed with that had begun.
 */
export function createNodeListener(
  resource: string,
  serve: (request: Request, parsedBody: unknown, clientCertificate: Uint8Array | undefined) => Promise<Response>,
  onError: (thrown: unknown) => void,
): NodeListener {
  const { origin, host } = new URL(resource);

  async function answer(given: Request, incoming: NodeRequest, outgoing: Parameters<NodeListener>[1]) {
    let request: Request;
    try {
      request = requestOf(given, incoming, origin);
    } catch {
      // Such as TRACE, of which nobody can make a Request.
      return new Response(null, { status: 400 });
    }
    try {
      const response = await serve(request, incoming.body, certificateOf(incoming));
      return sendable(response, outgoing, onError);
    } catch (thrown) {
      // A body that broke off because its client left is nobody's fault.
      if (!request.signal.aborted) onError(thrown);
      return new Response(null, { status: 500 });
    }
  }

  const listener = getRequestListener(
    async (request, { incoming, outgoing }) => {
      const response = await answer(request, incoming, outgoing);
      if (!outgoing.headersSent) return response;
      // Something else has answered in the meantime, as what looks after timeouts does.
      await response.body?.cancel();
      return RESPONSE_ALREADY_SENT;
    },
    // The host is for requests that name none; the library would refuse them.
    { hostname: host, overrideGlobalObjects: false },
  );
  return async (incoming, outgoing) => {
    try {
      await listener(incoming, outgoing);
    } catch (thrown) {
      breakOff(outgoing);
      onError(thrown);
    }
  };
}

/** The library's own has the origin that the client named, and is none that `new Request` would take. */
function requestOf(given: Request, { body, originalUrl, url = "/" }: NodeRequest, origin: string): Request {
  const target = originalUrl ?? url;
  const { method, headers, signal } = given;
  const hasBody = method !== "GET" && method !== "HEAD" && body === undefined;
  // As text, since a path that begins with two slashes would be read as a host.
  return signalledRequest(target.startsWith("/") ? `${origin}${target}` : origin, {
    method,
    headers,
    signal,
    ...(hasBody && { body: ReadableStream.from(bytesOf(given)), duplex: "half" }),
  });
}

/** Begins to read when somebody asks: of a body that has begun, the library can't clear the connection. */
async function* bytesOf(given: Request): AsyncGenerator<Uint8Array> {
  yield* given.body ?? [];
}

/** Of HTTP/2 one gets a proxy of the socket, which passes for it. */
function certificateOf({ socket }: NodeRequest): Uint8Array | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.raw : undefined;
}
