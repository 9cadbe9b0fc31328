import type { SecretNet } from "../sdk/credential-scan/secret-net.ts";
import type { Answer } from "../sdk/mcp-guard/answer.ts";
import { isEventStream, isJson } from "../sdk/mcp-guard/content-type.ts";
import { messageEvent } from "../sdk/mcp-guard/ending-stream.ts";
import { ANSWER_CHARACTERS_MAX } from "../sdk/mcp-guard/text-of.ts";
import { wholeEvents } from "../sdk/mcp-guard/whole-events.ts";
import { failureMessage, UpstreamFailure } from "./upstream-failure.ts";
import { wholeTextOf } from "./whole-text.ts";

/**
 * The answer as it may be passed on. A stream is told up to the event with a secret, then an error in its place, and ends.
 *
 * @param id - of the request, for that error.
 * @param caught - told of each answer that was withheld.
 * @throws UpstreamFailure ANSWER_WITHHELD, UPSTREAM_MALFORMED
 */
export async function nettedAnswer(
  answer: Answer,
  net: SecretNet,
  { id, caught }: { readonly id: unknown; readonly caught: () => void },
): Promise<Answer> {
  const { status, headers, body } = answer;
  const withheld = () => {
    caught();
    return new UpstreamFailure("ANSWER_WITHHELD", "the answer was withheld: it holds a secret of the server's");
  };
  if (net.holds([...headers].map(([name, value]) => `${name}: ${value}`).join("\n"))) {
    if (body instanceof ReadableStream) await body.cancel();
    throw withheld();
  }
  if (body === null) return { status, headers, body };
  if (typeof body !== "string" && isEventStream(headers)) {
    return { status, headers, body: body.pipeThrough(nettedEvents(net, () => failureMessage(withheld(), id))) };
  }
  const text = typeof body === "string" ? body : await wholeTextOf(body);
  if (net.holds(text)) throw withheld();
  if (isJson(headers)) return { status, headers, body: text };
  // Some error page, or a server of another kind: nothing that a client of MCP could read.
  if (status < FIRST_ERROR_STATUS)
    throw new UpstreamFailure("UPSTREAM_MALFORMED", "the server's answer is not one of MCP");
  headers.delete("content-type");
  return { status, headers, body: null };
}

const FIRST_ERROR_STATUS = 400;

/** Each event is looked at as a whole before it is told, and together with the end of the one before. */
function nettedEvents(net: SecretNet, error: () => object): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  const events = wholeEvents(ANSWER_CHARACTERS_MAX);
  const holdsWithBefore = net.piecewise();
  return new TransformStream({
    transform(chunk, controller) {
      for (const event of events.take(decoder.decode(chunk, { stream: true }))) {
        if (net.holds(event) || holdsWithBefore(event)) {
          controller.enqueue(encoder.encode(messageEvent(JSON.stringify(error()))));
          controller.terminate();
          return;
        }
        controller.enqueue(encoder.encode(`${event}\n\n`));
      }
    },
  });
}
