import { type ServerResponse, validateHeaderValue } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { VerificationError } from "../verifier/index.ts";
import { type Answer, discard } from "./answer.ts";
import { CallCancelled } from "./running-calls.ts";

/** Of one connection, and so not for a handler to say; on HTTP/2 a failure. RFC 9110 section 7.6.1, RFC 9113 section 8.2.2 */
const OF_THE_CONNECTION: ReadonlySet<string> = new Set([
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
]);

/** Breaks the connection, of HTTP/2 the stream: the one way left to say that an answer is not all there. */
export function breakOff(outgoing: ServerResponse | Http2ServerResponse): void {
  // Without an error, HTTP/2 would tell the client that it was.
  outgoing.destroy(new Error("the answer broke off"));
}

/**
 * Sends an answer that is whole, or gives one that the library sends without failing: where that fails, it tells the client
 * what with, or rejects. One whose body fails is broken off.
 *
 * @param onError - told what a body failed with.
 * @throws TypeError, RangeError for an answer that can't be sent
 */
export function sendable(
  answer: Answer,
  outgoing: ServerResponse | Http2ServerResponse,
  onError: (thrown: unknown) => void,
): Response {
  const { status, headers, body } = answer;
  function broken(thrown: unknown): void {
    breakOff(outgoing);
    // That the end of its step or its client cut it short is nobody's fault.
    if (!(thrown instanceof VerificationError || thrown instanceof CallCancelled)) onError(thrown);
  }
  try {
    checkHeaders(status, headers);
  } catch (thrown) {
    void discard(answer);
    throw thrown;
  }
  if (body instanceof ReadableStream)
    return new Response(unfailing(body, broken), { status, headers: sentOf(headers) });
  try {
    sendWhole(outgoing, status, headers, body);
  } catch (thrown) {
    broken(thrown);
  }
  return RESPONSE_ALREADY_SENT;
}

/** Of a text the library would make a stream, and chunks of that. */
function sendWhole(
  outgoing: ServerResponse | Http2ServerResponse,
  status: number,
  headers: Headers,
  text: string | null,
): void {
  const sent: Record<string, string | number | string[]> = {};
  for (const [name, value] of headers) if (!OF_THE_CONNECTION.has(name)) sent[name] = value;
  const cookies = headers.getSetCookie();
  if (cookies.length > 0) sent["set-cookie"] = cookies;
  if (text !== null) sent["content-length"] = Buffer.byteLength(text);
  // Alike in both.
  (outgoing as ServerResponse).writeHead(status, sent);
  if (text === null) outgoing.end();
  else outgoing.end(text);
}

/** @throws TypeError, RangeError */
function checkHeaders(status: number, headers: Headers): void {
  if (!(status >= 200 && status <= 599)) throw new RangeError("a status that no answer has");
  for (const [name, value] of headers) validateHeaderValue(name, value);
}

function sentOf(given: Headers): Headers {
  const headers = new Headers(given);
  for (const name of OF_THE_CONNECTION) headers.delete(name);
  return headers;
}

/** The same bytes, without an end where they fail. */
function unfailing(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  broken: (thrown: unknown) => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
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
