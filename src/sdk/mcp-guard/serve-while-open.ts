import { type Answer, discard } from "./answer.ts";
import { isEventStream } from "./content-type.ts";
import { endingStream } from "./ending-stream.ts";
import type { RunningCall } from "./running-calls.ts";

/** How often a call that is under way is held to the verifier's staleness bound, which no event tells of. */
const RECHECK_MS = 1_000;

/** A request that is being served. */
export type ServedRequest = {
  /** Aborts when the step has ended; its reason says why. */
  readonly watched: { readonly signal: AbortSignal; [Symbol.dispose](): void };
  /** Tells when its caller has given it up. */
  readonly running?: RunningCall | undefined;
  /** Throws once the request would not be permitted any more for another reason. */
  readonly recheck?: (() => void) | undefined;
  /** Aborts when the caller went away. */
  readonly callerGone: AbortSignal;
  /** @param signal - aborts when nobody may see the answer any more. */
  readonly serve: (signal: AbortSignal) => Promise<Answer>;
  /** The answer, where none has begun. */
  readonly refuse: (why: unknown) => Answer;
  /** The last event of a stream of events that has begun; `undefined`: it ends without one. */
  readonly lastEvent: (why: unknown) => string | undefined;
};

/**
 * Serves a request for as long as its step is open. When the step ends the handler's signal aborts, and what the client
 * gets is decided here, not by how the handler takes it: the refusal where no answer has begun, a last event that says
 * the same where a stream of events has, and a broken connection where anything else has.
 *
 * @throws what `serve` threw, while the step was open
 */
export async function serveWhileOpen(request: ServedRequest): Promise<Answer> {
  const { stop, handlerStop, finish } = watch(request);
  if (stop.aborted) return request.refuse(stop.reason);
  const stopped = new Promise<void>((resolve) => stop.addEventListener("abort", () => resolve(), { once: true }));
  const served = request.serve(AbortSignal.any([handlerStop, request.callerGone]));
  let answer: Answer | undefined;
  try {
    answer = (await Promise.race([served, stopped])) ?? undefined;
  } catch (thrown) {
    finish();
    // A handler whose signal aborted may throw anything.
    if (!stop.aborted) throw thrown;
  }
  if (stop.aborted || answer === undefined) {
    void served.then(discard, () => undefined);
    return request.refuse(stop.reason);
  }
  const { body, status, headers } = answer;
  if (!(body instanceof ReadableStream)) {
    finish();
    return answer;
  }
  const isEvents = isEventStream(headers);
  const ending = endingStream(body, { stop, finish, ...(isEvents && { lastEvent: request.lastEvent }) });
  return { status, headers, body: ending };
}

/**
 * Two signals that abort when the request must not be served any longer, until `finish` ends the watch. The handler's
 * comes first: a handler that ends its stream when it hears of it must not find the stream taken from it already.
 */
function watch({ watched, running, recheck }: ServedRequest): {
  readonly stop: AbortSignal;
  readonly handlerStop: AbortSignal;
  readonly finish: () => void;
} {
  const controller = new AbortController();
  const forHandler = new AbortController();
  const timer = recheck === undefined ? undefined : setInterval(check, RECHECK_MS).unref();
  function check(): void {
    try {
      recheck?.();
    } catch (thrown) {
      halt(thrown);
    }
  }
  function halt(why: unknown): void {
    finish();
    forHandler.abort(why);
    controller.abort(why);
  }
  function onEnd(): void {
    halt(watched.signal.reason);
  }
  function finish(): void {
    clearInterval(timer);
    watched.signal.removeEventListener("abort", onEnd);
    watched[Symbol.dispose]();
    running?.[Symbol.dispose]();
  }
  running?.onCancelled(halt);
  if (watched.signal.aborted) onEnd();
  else watched.signal.addEventListener("abort", onEnd, { once: true });
  return { stop: controller.signal, handlerStop: forHandler.signal, finish };
}
