import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { answerTo } from "../mcp-guard/answer-to.ts";

const BODILESS: readonly number[] = [204, 205, 304];
/** What is longer is sent as it comes, without a length: it may be a file, or have no end. */
const WHOLE_BYTES_MAX = 1_048_576;

/**
 * As the global `fetch` with `redirect: "manual"`, but waits for an answer, and for more of it, as long as the signal lets it: that one
 * gives up after five minutes of silence, and a call may take as long as its step. Asks for no encoding, and decodes none.
 *
 * @throws the signal's reason; TypeError `fetch failed`, as `fetch` does, for a server that can't be reached
 */
export async function patientFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const request = new Request(input, init);
  // Not the request's own, which falls silent when the request is collected, while the answer's body still comes.
  const signal = init?.signal ?? request.signal;
  const { method, url } = request;
  const headers = { "accept-encoding": "identity", ...Object.fromEntries(request.headers) };
  try {
    const body = request.body === null ? undefined : await bodyOf(request.body);
    const incoming = await answerTo(url, { method, signal, headers }, body);
    endWith(signal, incoming);
    return responseOf(url, incoming);
  } catch (thrown) {
    throw signal.aborted ? signal.reason : new TypeError("fetch failed", { cause: thrown });
  }
}

/** Whole where it is short: some servers take no body whose length they are not told. */
async function bodyOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array | Readable> {
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  while (bytes <= WHOLE_BYTES_MAX) {
    const { done, value } = await reader.read();
    if (done) return Buffer.concat(chunks);
    chunks.push(value);
    bytes += value.length;
  }
  reader.releaseLock();
  return Readable.from(followedBy(chunks, stream));
}

async function* followedBy(
  chunks: readonly Uint8Array[],
  rest: ReadableStream<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  yield* chunks;
  yield* rest;
}

/** Whoever reads the body is told why it ended, where Node.js would tell of a connection that broke. */
function endWith(signal: AbortSignal, incoming: IncomingMessage): void {
  const end = () => void incoming.destroy(signal.reason);
  signal.addEventListener("abort", end, { once: true });
  incoming.once("close", () => signal.removeEventListener("abort", end));
}

function responseOf(url: string, incoming: IncomingMessage): Response {
  const { statusCode: status = 502, statusMessage: statusText = "", headersDistinct } = incoming;
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  const hasBody = !BODILESS.includes(status);
  if (!hasBody) incoming.resume();
  const body = hasBody ? (Readable.toWeb(incoming) as ReadableStream<Uint8Array<ArrayBuffer>>) : null;
  const response = new Response(body, { status, statusText, headers });
  // Of a response that is made by hand it is empty.
  Object.defineProperty(response, "url", { value: url });
  return response;
}
