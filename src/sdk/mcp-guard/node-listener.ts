import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { TLSSocket } from "node:tls";
import { getRequestListener } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { type Answer, discard } from "./answer.ts";
import type { GuardedRequest } from "./guarded-request.ts";
import { breakOff, sendable } from "./sendable-response.ts";
import { signalledRequest } from "./signalled-request.ts";

type NodeRequest = (IncomingMessage | Http2ServerRequest) & {
  readonly body?: unknown;
  readonly originalUrl?: string;
};

/** A listener for `node:http`, `node:https` and `node:http2`, and a handler for Express, which may have parsed the body. */
export type NodeListener = (request: NodeRequest, response: ServerResponse | Http2ServerResponse) => Promise<void>;

/** What is asked of whoever answers, beside the request. */
type Serve<Asked, Answered> = (
  request: Asked,
  parsedBody: unknown,
  clientCertificate: Uint8Array | undefined,
) => Promise<Answered>;

/** As `createAnswerListener`, for a function of the fetch kind. */
export function createNodeListener(
  resource: string,
  serve: Serve<Request, Response>,
  onError: (thrown: unknown) => void,
): NodeListener {
  const byFetch: Serve<GuardedRequest, Answer> = (request, parsedBody, clientCertificate) =>
    serve(fetchRequestOf(request, parsedBody === undefined), parsedBody, clientCertificate);
  return createAnswerListener(resource, byFetch, onError);
}

/**
 * Carries requests from Node to whoever answers them, and the answers back: with back-pressure, and with a signal that
 * aborts when the client goes away.
 * Where TLS ends here, the certificate goes along that its client has shown to be its own.
 *
 * @param resource - gives requests their origin; what a client says in `Host` is not believed.
 * @param serve - its rejection becomes a 500 without a body.
 * @param onError - told what it rejected with, and what a body failed with that had begun.
 */
export function createAnswerListener(
  resource: string,
  serve: Serve<GuardedRequest, Answer>,
  onError: (thrown: unknown) => void,
): NodeListener {
  const { origin, host } = new URL(resource);

  async function answered(given: Request, incoming: NodeRequest): Promise<Answer> {
    let request: GuardedRequest;
    try {
      request = guardedRequestOf(given, incoming, origin);
    } catch {
      return emptyAnswer(400);
    }
    try {
      return await serve(request, incoming.body, certificateOf(incoming));
    } catch (thrown) {
      // A body that broke off because its client left is nobody's fault.
      if (!request.signal.aborted) onError(thrown);
      return emptyAnswer(500);
    }
  }

  function sent(answer: Answer, outgoing: Parameters<NodeListener>[1]): Response {
    try {
      return sendable(answer, outgoing, onError);
    } catch (thrown) {
      onError(thrown);
      return new Response(null, { status: 500 });
    }
  }

  const listener = getRequestListener(
    async (request, { incoming, outgoing }) => {
      const answer = await answered(request, incoming);
      if (!outgoing.headersSent) return sent(answer, outgoing);
      // Something else has answered in the meantime, as what looks after timeouts does.
      await discard(answer);
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

const emptyAnswer = (status: number): Answer => ({ status, headers: new Headers(), body: null });

/** Of these nobody can make a Request. */
const REFUSED_METHODS: readonly string[] = ["CONNECT", "TRACE", "TRACK"];

/** The library's own has the origin that the client named. What of it costs something is had when somebody asks. */
function guardedRequestOf(
  given: Request,
  { body, originalUrl, url: arrived = "/" }: NodeRequest,
  origin: string,
): GuardedRequest {
  const { method, headers } = given;
  if (REFUSED_METHODS.includes(method)) throw new TypeError("a method that no request has");
  const target = originalUrl ?? arrived;
  // As text, since a path that begins with two slashes would be read as a host.
  const url = new URL(target.startsWith("/") ? `${origin}${target}` : origin).href;
  return {
    method,
    url,
    headers,
    get signal() {
      return given.signal;
    },
    get body() {
      return body === undefined ? given.body : null;
    },
    arrayBuffer: () => given.arrayBuffer(),
  };
}

/** A real one, which `new Request` and `clone` take. */
function fetchRequestOf(given: GuardedRequest, mayHaveBody: boolean): Request {
  const { method, url, headers, signal } = given;
  const hasBody = mayHaveBody && method !== "GET" && method !== "HEAD";
  const body = hasBody ? { body: ReadableStream.from(bytesOf(given)), duplex: "half" as const } : {};
  return signalledRequest(url, { method, headers, signal, ...body });
}

/** Begins to read when somebody asks: of a body that has begun, the library can't clear the connection. */
async function* bytesOf(given: GuardedRequest): AsyncGenerator<Uint8Array> {
  yield* given.body ?? [];
}

/** Of HTTP/2 one gets a proxy of the socket, which passes for it. */
function certificateOf({ socket }: NodeRequest): Uint8Array | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.raw : undefined;
}
