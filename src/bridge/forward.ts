import { isObject } from "../domain/strict-json.ts";
import { aliveAnswer, mayBeginAsStream, messageAsEvents } from "../sdk/mcp-guard/alive-answer.ts";
import { type Answer, textOfAnswer } from "../sdk/mcp-guard/answer.ts";
import { isEventStream, isJson } from "../sdk/mcp-guard/content-type.ts";
import { endingStream } from "../sdk/mcp-guard/ending-stream.ts";
import { isTold, sentHeaders } from "../sdk/mcp-guard/passed-headers.ts";
import type { Step } from "../sdk/runtime/index.ts";
import {
  BridgeRefusal,
  errorMessage,
  type Refused,
  refusedAnswer,
  refusedBy,
  refusedByServer,
} from "./bridge-refusal.ts";

/** One request of the client, read. */
export type ClientRequest = {
  readonly method: string;
  readonly headers: Headers;
  /** Goes to the server as it came. */
  readonly body: Uint8Array<ArrayBuffer> | undefined;
  /** Aborts when the client goes away. */
  readonly signal: AbortSignal;
};

/** Gives the server's answer, or why there is none; rejects only for a client that has gone. */
export type Forward = (url: string, request: ClientRequest) => Promise<Answer>;

export type ForwardTerms = {
  readonly step: Pick<Step, "fetch" | "signal">;
  /** Told, a line at a time, of what no answer says whole; no secret, token or argument is in it. */
  readonly told: (line: string) => void;
  /** How long a client hears nothing of a call at most. */
  readonly pulseMs: number;
};

/** By these a server says no to who asks; what it says to what was asked, such as 404 for a session, is for the client. */
const REFUSALS: readonly number[] = [401, 403, 407, 503];
/** Passes requests on as a step: with its credentials, without the client's, and nothing of either comes back. */
export function createForward({ step, told, pulseMs }: ForwardTerms): Forward {
  async function ask(url: string, request: ClientRequest, id: string | number | undefined): Promise<Answer> {
    const { method, headers, body, signal } = request;
    try {
      const init = { method, headers: sentHeaders(headers), signal, ...(body !== undefined && { body }) };
      return await answerOf(await step.fetch(url, init), id);
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      const refused = refusedBy(thrown) ?? unreachable(thrown);
      return refusedAnswer(refused, id);
    }
  }

  async function answerOf(response: Response, id: string | number | undefined): Promise<Answer> {
    const { status, headers } = response;
    if (REFUSALS.includes(status))
      return refusedAnswer(refusedByServer(await response.text()) ?? refusedWithoutWord(status), id);
    if (![null, "identity"].includes(headers.get("content-encoding"))) {
      await response.body?.cancel();
      throw new BridgeRefusal("SERVER_MALFORMED", "the server answers in an encoding that nobody asked for");
    }
    const passed = new Headers([...headers].filter(([name]) => isTold(name)));
    // Whole, it is sent in one piece.
    if (isJson(headers)) return { status, headers: passed, body: await wholeText(response) };
    if (response.body === null || !isEventStream(headers)) return { status, headers: passed, body: response.body };
    const lastEvent = (why: unknown) => {
      const refused = id === undefined ? undefined : refusedBy(why);
      return refused && JSON.stringify(errorMessage(refused, id));
    };
    const whole = endingStream(response.body, { stop: step.signal, lastEvent, finish: () => undefined });
    return { status, headers: passed, body: whole };
  }

  function unreachable(cause: unknown): Refused {
    told(`a server can't be reached: ${codeIn(cause)}`);
    return refused(new BridgeRefusal("SERVER_UNREACHABLE", "the server can't be reached", { cause }));
  }

  return (url, request) => {
    const message = messageIn(request.body);
    const { id } = message;
    const mayBegin = id !== undefined && mayBeginAsStream(request.headers, message);
    return aliveAnswer(ask(url, request, id), pulseMs, mayBegin ? (late) => eventsOf(late, id) : undefined);
  };
}

/** An answer that its client reads in a stream which has begun already. */
async function eventsOf(answer: Answer, id: string | number): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const { body, headers, status } = answer;
  if (body instanceof ReadableStream && isEventStream(headers)) return body;
  const text = await textOfAnswer(answer);
  const { id: answered } = isJson(headers) ? messageIn(new TextEncoder().encode(text)) : {};
  const message =
    answered === id
      ? (JSON.parse(text) as unknown)
      : errorMessage(refused(new BridgeRefusal("SERVER_MALFORMED", `the server answers ${status} without a word`)), id);
  return messageAsEvents(message);
}

async function wholeText(response: Response): Promise<string> {
  try {
    return await textOfAnswer(response);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new BridgeRefusal("SERVER_MALFORMED", "the server's answer is longer than any may be", { cause });
  }
}

function refused(refusal: BridgeRefusal): Refused {
  const of = refusedBy(refusal);
  if (of === undefined) throw refusal;
  return of;
}

function refusedWithoutWord(status: number): Refused {
  const why =
    status === 503
      ? new BridgeRefusal("SERVER_UNREACHABLE", "the server answers nobody now; later it may")
      : new BridgeRefusal("SERVER_REFUSED", "the server does not take the step's credentials");
  return refused(why);
}

/** What an answer or a refusal has to name. The server reads the message itself, and is the one to say what is wrong with it. */
function messageIn(body: Uint8Array | undefined): {
  readonly id?: string | number | undefined;
  readonly method?: unknown;
} {
  if (body === undefined) return {};
  try {
    const message: unknown = JSON.parse(new TextDecoder().decode(body));
    if (!isObject(message)) return {};
    const { id, method } = message;
    return { id: typeof id === "string" || typeof id === "number" ? id : undefined, method };
  } catch {
    return {};
  }
}

/** A code such as ECONNREFUSED; the message has the address. */
function codeIn(thrown: unknown): string {
  const error = thrown instanceof TypeError ? thrown.cause : thrown;
  return error instanceof Error && "code" in error ? String(error.code) : "no answer";
}
