import { isEventStream } from "../sdk/mcp-guard/content-type.ts";
import { wholeEvents } from "../sdk/mcp-guard/whole-events.ts";
import type { SecretNet } from "./secret-net.ts";
import { failureMessage, failureResponse, UpstreamFailure } from "./upstream-failure.ts";

/** Of an answer in one piece, or of one event of a stream: as much as the guard holds to look at it. */
const CHARACTERS_MAX = 32 * 1024 * 1024;

/**
 * The answer, or in its place an error where it holds a secret. A stream is told up to the event with the secret, then the
 * error, and ends.
 *
 * @param id - of the request, for the error.
 * @param caught - told of each answer that was withheld.
 */
export async function nettedResponse(
  response: Response,
  net: SecretNet,
  { id, caught }: { readonly id: unknown; readonly caught: () => void },
): Promise<Response> {
  const { body, status, statusText, headers } = response;
  const withheld = () => {
    caught();
    return new UpstreamFailure("ANSWER_WITHHELD", "the answer was withheld: it holds a secret of the server's");
  };
  if (net.holds([...headers].map(([name, value]) => `${name}: ${value}`).join("\n"))) {
    await body?.cancel();
    return failureResponse(withheld(), id);
  }
  if (body === null) return response;
  if (isEventStream(headers)) {
    const events = nettedEvents(net, () => failureMessage(withheld(), id));
    return new Response(body.pipeThrough(events), { status, statusText, headers });
  }
  const text = await textOf(body);
  if (net.holds(text)) return failureResponse(withheld(), id);
  return new Response(text, { status, statusText, headers });
}

/** @throws UpstreamFailure UPSTREAM_MALFORMED */
async function textOf(body: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  const pieces: string[] = [];
  let characters = 0;
  for await (const chunk of body) {
    const piece = decoder.decode(chunk, { stream: true });
    characters += piece.length;
    if (characters > CHARACTERS_MAX) {
      throw new UpstreamFailure("UPSTREAM_MALFORMED", `the server's answer has more than ${CHARACTERS_MAX} characters`);
    }
    pieces.push(piece);
  }
  return [...pieces, decoder.decode()].join("");
}

/** Each event is looked at as a whole before it is told, and together with the end of the one before. */
function nettedEvents(net: SecretNet, error: () => object): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  const events = wholeEvents(CHARACTERS_MAX);
  const holdsWithBefore = net.piecewise();
  return new TransformStream({
    transform(chunk, controller) {
      for (const event of events.take(decoder.decode(chunk, { stream: true }))) {
        if (net.holds(event) || holdsWithBefore(event)) {
          controller.enqueue(encoder.encode(`event: message\ndata: ${JSON.stringify(error())}\n\n`));
          controller.terminate();
          return;
        }
        controller.enqueue(encoder.encode(`${event}\n\n`));
      }
    },
  });
}
