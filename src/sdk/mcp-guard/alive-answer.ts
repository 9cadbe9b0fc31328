import type { Answer } from "./answer.ts";
import { isEventStream } from "./content-type.ts";
import { messageEvent } from "./ending-stream.ts";

const NEWLINE = 0x0a;
/** A comment, which says nothing to whoever reads the events. HTML, section 9.2.6 */
const PULSE = ":\n\n";

/** Well below the shortest time after which clients are known to take silence for the end: 300 s of Node.js and of Python's MCP SDK. */
export const PULSE_MS = 30_000;

const ACCEPTS_EVENTS = /\btext\/event-stream\b/i;
/** Of a session that begins, the answer's headers say more than its body. */
const HANDSHAKES: readonly unknown[] = ["initialize", "server/discover"];

/** Whether the answer to a message may begin as a stream before anything is known of it. */
export function mayBeginAsStream(
  headers: Headers,
  { id, method }: { readonly id?: unknown; readonly method?: unknown },
) {
  return id !== undefined && !HANDSHAKES.includes(method) && ACCEPTS_EVENTS.test(headers.get("accept") ?? "");
}

/** One message as a stream of events. */
export function messageAsEvents(message: unknown): Bytes {
  return new Blob([messageEvent(JSON.stringify(message))]).stream();
}

type Bytes = ReadableStream<Uint8Array<ArrayBuffer>>;

/**
 * An answer of which its client hears something at least so often: many clients give up on one that is silent for five minutes, and a
 * call may take longer. What does not come in time begins as a stream of events, in which it is then told.
 *
 * @param eventsOf - the answer as a stream of events, whatever it is; absent: it is waited for.
 */
export async function aliveAnswer(
  answer: Promise<Answer>,
  pulseMs: number,
  eventsOf: ((late: Answer) => Promise<Bytes>) | undefined,
): Promise<Answer> {
  if (eventsOf === undefined) return withPulse(await answer, pulseMs);
  const first = await inTime(answer, pulseMs);
  if (first !== undefined) return withPulse(first, pulseMs);
  const headers = new Headers({ "content-type": "text/event-stream", "cache-control": "no-store" });
  return { status: 200, headers, body: pulsing(answer.then(eventsOf), pulseMs) };
}

async function inTime(answer: Promise<Answer>, pulseMs: number): Promise<Answer | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(late.resolve, pulseMs, undefined);
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function withPulse(answer: Answer, pulseMs: number): Answer {
  const { body, status, headers } = answer;
  if (!(body instanceof ReadableStream) || !isEventStream(headers)) return answer;
  return { status, headers, body: pulsing(Promise.resolve(body), pulseMs) };
}

/** The same bytes, and a comment between two lines when none have come for a while. */
function pulsing(source: Promise<Bytes>, pulseMs: number): Bytes {
  // Who reads is told of it, if anybody does.
  source.catch(() => undefined);
  let reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let lastByte = NEWLINE;
  let isSilent = true;
  return new ReadableStream(
    {
      start(controller) {
        timer = setInterval(() => {
          if (isSilent && lastByte === NEWLINE) controller.enqueue(new TextEncoder().encode(PULSE));
          isSilent = true;
        }, pulseMs);
      },
      async pull(controller) {
        try {
          reader ??= (await source).getReader();
          const { done, value } = await reader.read();
          if (done) {
            clearInterval(timer);
            return controller.close();
          }
          isSilent = false;
          lastByte = value.at(-1) ?? lastByte;
          controller.enqueue(value);
        } catch (thrown) {
          clearInterval(timer);
          controller.error(thrown);
        }
      },
      async cancel(reason) {
        clearInterval(timer);
        await (reader ?? (await source)).cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
