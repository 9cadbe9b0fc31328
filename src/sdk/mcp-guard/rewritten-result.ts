import { isObject, type JsonObject } from "../../domain/strict-json.ts";
import { isEventStream, isJson } from "./content-type.ts";

/** An empty line, whichever ends of lines it is between. */
const END_OF_EVENT = /(?:\r\n|\n|\r(?!\n)){2}/g;
const END_LENGTH_MAX = 4;
const END_OF_LINE = /\r\n|\n|\r/;

/**
 * The same answer with another result: in a body of JSON, or in whichever event of a stream has one.
 *
 * @param rewrite - given each result that the answer has.
 * @param ifText - what is without any of these texts is left as it is, and so is an answer in an encoding.
 * @throws TypeError, SyntaxError for an answer that can't be read, and so must not be passed on
 */
export async function rewrittenResult(
  response: Response,
  rewrite: (result: JsonObject) => JsonObject,
  ifText?: readonly string[],
): Promise<Response> {
  const { body, status, statusText } = response;
  if (body === null) return response;
  const headers = new Headers(response.headers);
  if (headers.has("content-encoding")) {
    if (ifText !== undefined) return response;
    void body.cancel().catch(() => undefined);
    throw new TypeError("an answer in an encoding, of which the guard has to see the text");
  }
  const isOfInterest = (text: string) => ifText === undefined || ifText.some((one) => text.includes(one));
  headers.delete("content-length");
  if (isJson(headers)) {
    const text = await response.text();
    return new Response(isOfInterest(text) ? rewrittenMessage(text, rewrite) : text, { status, statusText, headers });
  }
  if (!isEventStream(headers)) return response;
  const events = eventsRewritten((event) =>
    isOfInterest(event) ? eventRewritten(event, (data) => rewrittenMessage(data, rewrite)) : `${event}\n\n`,
  );
  return new Response(body.pipeThrough(events), { status, statusText, headers });
}

function rewrittenMessage(text: string, rewrite: (result: JsonObject) => JsonObject): string {
  const message: unknown = JSON.parse(text);
  if (!isObject(message) || !isObject(message["result"])) return text;
  return JSON.stringify({ ...message, result: rewrite(message["result"]) });
}

/** Of an event that its end does not complete nothing is told. */
function eventsRewritten(rewrite: (event: string) => string): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let text = "";
  return new TransformStream({
    transform(chunk, controller) {
      // An end may have begun in what came before; the rest of that has none.
      END_OF_EVENT.lastIndex = Math.max(0, text.length - END_LENGTH_MAX);
      text += decoder.decode(chunk, { stream: true });
      let done = 0;
      for (let end = END_OF_EVENT.exec(text); end !== null; end = END_OF_EVENT.exec(text)) {
        controller.enqueue(encoder.encode(rewrite(text.slice(done, end.index))));
        done = END_OF_EVENT.lastIndex;
      }
      text = text.slice(done);
    },
  });
}

function eventRewritten(event: string, rewrite: (data: string) => string): string {
  const lines = event.split(END_OF_LINE);
  const isData = (line: string) => line.startsWith("data:");
  const data = lines.filter(isData).map((line) => line.slice("data:".length).replace(/^ /, ""));
  // An event that only says from where to resume has an empty one.
  const rewritten = data.join("") === "" ? data : [rewrite(data.join("\n"))];
  return [...lines.filter((line) => !isData(line)), ...rewritten.map((line) => `data: ${line}`), "", ""].join("\n");
}
