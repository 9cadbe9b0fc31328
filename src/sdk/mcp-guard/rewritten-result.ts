import { isObject, type JsonObject } from "../../domain/strict-json.ts";
import { isEventStream, isJson } from "./content-type.ts";

/** An empty line, whichever ends of lines it is between. */
const END_OF_EVENT = /(?:\r\n|\n|\r(?!\n)){2}/;
const END_OF_LINE = /\r\n|\n|\r/;

/**
 * The same answer with another result: in a body of JSON, or in whichever event of a stream has one.
 *
 * @param rewrite - given each result that the answer has.
 * @throws TypeError, SyntaxError for an answer that can't be read, and so must not be passed on
 */
export async function rewrittenResult(
  response: Response,
  rewrite: (result: JsonObject) => JsonObject,
): Promise<Response> {
  const { body, status, statusText } = response;
  if (body === null) return response;
  const headers = new Headers(response.headers);
  headers.delete("content-length");
  if (headers.has("content-encoding")) {
    void body.cancel().catch(() => undefined);
    throw new TypeError("an answer in an encoding, of which the guard has to see the text");
  }
  if (isJson(headers)) {
    return new Response(rewrittenMessage(await response.text(), rewrite), { status, statusText, headers });
  }
  if (!isEventStream(headers)) return response;
  const rewritten = body
    .pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array<ArrayBuffer>, string>)
    .pipeThrough(eventsRewritten((data) => rewrittenMessage(data, rewrite)))
    .pipeThrough(new TextEncoderStream());
  return new Response(rewritten, { status, statusText, headers });
}

function rewrittenMessage(text: string, rewrite: (result: JsonObject) => JsonObject): string {
  const message: unknown = JSON.parse(text);
  if (!isObject(message) || !isObject(message["result"])) return text;
  return JSON.stringify({ ...message, result: rewrite(message["result"]) });
}

/** Of an event that its end does not complete nothing is told. */
function eventsRewritten(rewrite: (data: string) => string): TransformStream<string, string> {
  let text = "";
  return new TransformStream({
    transform(chunk, controller) {
      text += chunk;
      for (let end = END_OF_EVENT.exec(text); end !== null; end = END_OF_EVENT.exec(text)) {
        controller.enqueue(eventRewritten(text.slice(0, end.index), rewrite));
        text = text.slice(end.index + end[0].length);
      }
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
