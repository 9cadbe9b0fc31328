import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { answerTo } from "../sdk/mcp-guard/answer-to.ts";
import type { Fetch } from "../sdk/runtime/index.ts";

const BODILESS: readonly number[] = [204, 205, 304];

/**
 * As the global `fetch` with `redirect: "manual"`, but waits for an answer, and for more of it, as long as the signal lets it: that one
 * gives up after five minutes of silence, and a call may take as long as its step. Decodes nothing: what was asked for without an
 * encoding comes without one.
 *
 * @throws the signal's reason, and the error of Node.js for a server that can't be reached
 */
export const patientFetch: Fetch = async (input, init) => {
  const request = new Request(input, init);
  // Not the request's own, which falls silent when the request is collected, while the answer's body still comes.
  const signal = init?.signal ?? request.signal;
  const { method, url } = request;
  const body = request.body === null ? undefined : Buffer.from(await request.arrayBuffer());
  try {
    return responseOf(await answerTo(url, { method, signal, headers: Object.fromEntries(request.headers) }, body));
  } catch (thrown) {
    throw signal.aborted ? signal.reason : thrown;
  }
};

function responseOf(incoming: IncomingMessage): Response {
  const { statusCode: status = 502, headersDistinct } = incoming;
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  if (!BODILESS.includes(status)) {
    return new Response(Readable.toWeb(incoming) as ReadableStream<Uint8Array<ArrayBuffer>>, { status, headers });
  }
  incoming.resume();
  return new Response(null, { status, headers });
}
