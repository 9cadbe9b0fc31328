import { type ServerResponse, validateHeaderValue } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import { VerificationError } from "../verifier/index.ts";
import { CallCancelled } from "./running-calls.ts";

/** Of one connection, and so not for a handler to say; on HTTP/2 a failure. RFC 9110 section 7.6.1, RFC 9113 section 8.2.2 */
const OF_THE_CONNECTION = [
  "connection",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  // By this the library is told not to send an answer at all.
  "x-hono-already-sent",
] as const;

/** Breaks the connection, of HTTP/2 the stream: the one way left to say that an answer is not all there. */
export function breakOff(outgoing: ServerResponse | Http2ServerResponse): void {
  // Without an error, HTTP/2 would tell the client that it was.
  outgoing.destroy(new Error("the answer broke off"));
}

/**
 * The same answer, as one that the library sends without failing: where it fails, it tells the client what with, or
 * rejects. One whose body fails is broken off.
 *
 * @param onError - told what a body failed with.
 * @throws TypeError, RangeError for an answer that can't be sent
 */
export function sendable(
  { status, headers: given, body }: Response,
  outgoing: ServerResponse | Http2ServerResponse,
  onError: (thrown: unknown) => void,
): Response {
  function broken(thrown: unknown): void {
    breakOff(outgoing);
    // That the end of its step or its client cut it short is nobody's fault.
    if (!(thrown instanceof VerificationError || thrown instanceof CallCancelled)) onError(thrown);
  }
  const unfailingBody = body && unfailing(body, broken);
  try {
    return new Response(unfailingBody, { status, headers: sendableHeaders(given) });
  } catch (thrown) {
    void unfailingBody?.cancel(thrown).catch(() => undefined);
    throw thrown;
  }
}

function sendableHeaders(given: Headers): Headers {
  const headers = new Headers(given);
  for (const name of OF_THE_CONNECTION) headers.delete(name);
  for (const [name, value] of headers) validateHeaderValue(name, value);
  return headers;
}

/** The same bytes, without an end where they fail. */
function unfailing(
  body: ReadableStream<Uint8Array>,
  broken: (thrown: unknown) => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = (body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader();
  let isWanted = true;
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (done) return controller.close();
          // Of a text the library would count the letters.
          if (!ArrayBuffer.isView(value)) throw new TypeError("a chunk of a body that is not bytes");
          controller.enqueue(value);
        } catch (thrown) {
          // One that was cancelled takes neither bytes nor an end.
          if (isWanted) broken(thrown);
        }
      },
      async cancel(reason) {
        isWanted = false;
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
