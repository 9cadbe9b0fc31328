import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { TLSSocket } from "node:tls";

/** A listener for `node:http`, and a handler for Express, which may have parsed the body. */
export type NodeListener = (
  request: IncomingMessage & { readonly body?: unknown; readonly originalUrl?: string },
  response: ServerResponse,
) => Promise<void>;

/**
 * Carries requests from Node to a function of the fetch kind, and its answers back: with back-pressure, and with a signal
 * that aborts when the client goes away.
 * Where TLS ends here, the certificate goes along that its client has shown to be its own.
 *
 * @param resource - gives requests their origin; what a client says in `Host` is not believed.
 * @param serve - its rejection becomes a 500 without a body.
 * @param onError - told what it rejected with.
 */
export function createNodeListener(
  resource: string,
  serve: (request: Request, parsedBody: unknown, clientCertificate: Uint8Array | undefined) => Promise<Response>,
  onError: (thrown: unknown) => void,
): NodeListener {
  const { origin } = new URL(resource);
  return async (incoming, outgoing) => {
    const gone = new AbortController();
    outgoing.once("close", () => gone.abort());
    let response: Response;
    try {
      response = await serve(requestOf(incoming, origin, gone.signal), incoming.body, certificateOf(incoming));
    } catch (thrown) {
      // A body that broke off because its client left is nobody's fault.
      if (!gone.signal.aborted) onError(thrown);
      response = new Response(null, { status: 500 });
    }
    await send(response, outgoing, gone.signal);
  };
}

function certificateOf({ socket }: IncomingMessage): Uint8Array | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.raw : undefined;
}

function requestOf(
  incoming: IncomingMessage & { readonly body?: unknown; readonly originalUrl?: string },
  origin: string,
  signal: AbortSignal,
): Request {
  const { method = "GET" } = incoming;
  const target = incoming.originalUrl ?? incoming.url ?? "/";
  // As text, since a path that begins with two slashes would be read as a host.
  const url = target.startsWith("/") ? `${origin}${target}` : origin;
  const headers = new Headers();
  // Every header as it came: Node itself would drop a second Authorization.
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  const hasBody = method !== "GET" && method !== "HEAD" && incoming.body === undefined;
  return new Request(url, {
    method,
    headers,
    signal,
    ...(hasBody && { body: Readable.toWeb(incoming) as ReadableStream<Uint8Array>, duplex: "half" }),
  });
}

async function send(response: Response, outgoing: ServerResponse, gone: AbortSignal): Promise<void> {
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  try {
    for await (const chunk of response.body ?? []) {
      if (gone.aborted) break;
      if (!outgoing.write(chunk)) await once(outgoing, "drain", { signal: gone });
    }
    outgoing.end();
  } catch {
    // Headers are out: a connection that breaks is the only way left to say that this is not all.
    outgoing.destroy();
  }
}
