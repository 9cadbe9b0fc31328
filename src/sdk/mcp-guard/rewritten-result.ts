import { isObject, type JsonObject } from "../../domain/strict-json.ts";
import { type Answer, discard, isOk, textOfAnswer } from "./answer.ts";
import { isEventStream, isJson } from "./content-type.ts";
import { ANSWER_CHARACTERS_MAX } from "./text-of.ts";
import { wholeEvents } from "./whole-events.ts";

type Rewrite = (result: JsonObject) => JsonObject | Promise<JsonObject>;

const END_OF_LINE = /\r\n|\n|\r/;

/**
 * The same answer with another result: in a body of JSON, or in whichever event of a stream has one.
 *
 * @param rewrite - given each result that the answer has; what comes after waits for it.
 * @param ifText - what is without any of these texts is left as it is, and so is an answer in an encoding.
 * @throws TypeError, SyntaxError, RangeError for an answer that can't be read, and so must not be passed on
 */
export async function rewrittenResult(answer: Answer, rewrite: Rewrite, ifText?: readonly string[]): Promise<Answer> {
  const { body, status } = answer;
  if (body === null) return answer;
  const headers = new Headers(answer.headers);
  if (headers.has("content-encoding")) {
    if (ifText !== undefined) return answer;
    void discard(answer);
    throw new TypeError("an answer in an encoding, of which the guard has to see the text");
  }
  const isOfInterest = (text: string) => ifText === undefined || ifText.some((one) => text.includes(one));
  headers.delete("content-length");
  if (isJson(headers)) {
    const text = await textOfAnswer(answer);
    return { status, headers, body: isOfInterest(text) ? await rewrittenMessage(text, rewrite) : text };
  }
  if (typeof body === "string" || !isEventStream(headers)) {
    // Clients differ in what else they take for JSON; of what was no success none reads a result.
    if (ifText !== undefined || !isOk(answer)) return answer;
    void discard(answer);
    throw new TypeError("an answer that is neither JSON nor a stream of events");
  }
  const events = eventsRewritten(async (event) =>
    isOfInterest(event) ? eventRewritten(event, (data) => rewrittenMessage(data, rewrite)) : `${event}\n\n`,
  );
  return { status, headers, body: body.pipeThrough(events) };
}

async function rewrittenMessage(text: string, rewrite: Rewrite): Promise<string> {
  const message: unknown = JSON.parse(text);
  // A batch, which some clients still read.
  if (!isObject(message)) throw new TypeError("an answer that is no single message");
  if (!isObject(message["result"])) return text;
  return JSON.stringify({ ...message, result: await rewrite(message["result"]) });
}

/** Of an event that its end does not complete nothing is told. */
function eventsRewritten(
  rewrite: (event: string) => Promise<string>,
): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  const events = wholeEvents(ANSWER_CHARACTERS_MAX);
  return new TransformStream({
    async transform(chunk, controller) {
      for (const event of events.take(decoder.decode(chunk, { stream: true }))) {
        controller.enqueue(encoder.encode(await rewrite(event)));
      }
    },
  });
}

async function eventRewritten(event: string, rewrite: (data: string) => Promise<string>): Promise<string> {
  const lines = event.split(END_OF_LINE);
  const isData = (line: string) => line.startsWith("data:");
  const data = lines.filter(isData).map((line) => line.slice("data:".length).replace(/^ /, ""));
  // An event that only says from where to resume has an empty one.
  const rewritten = data.join("") === "" ? data : [await rewrite(data.join("\n"))];
  return [...lines.filter((line) => !isData(line)), ...rewritten.map((line) => `data: ${line}`), "", ""].join("\n");
}
