import { invalidField } from "../domain/errors.ts";
import type { EventStream } from "../domain/event-stream.ts";
import { errorCodeIn } from "../domain/security-event.ts";
import { isObject, type JsonObject } from "../domain/strict-json.ts";
import type { Clock } from "../ports/clock.ts";
import type { Outboxes } from "./outboxes.ts";
import { type SignEventPorts, signEvent } from "./sign-event.ts";

export type PollPorts = SignEventPorts & {
  readonly outboxes: Outboxes;
  readonly clock: Clock;
  /** Told of events that a receiver could not take; they are not sent again. */
  readonly refused: (streamId: string, errors: readonly string[]) => void;
};

/** What a poll is answered with. RFC 8936 section 2.3 */
export type Polled = { readonly sets: Readonly<Record<string, string>>; readonly moreAvailable?: true };

/** A page that is quickly signed and read; RFC 8936 lets a transmitter send fewer than are asked for. */
const EVENTS_MAX = 100;
/** In one request: twice what one answer has. */
const ACKNOWLEDGED_MAX = 200;
/** A poll that waits; less than any client or proxy waits for an answer. */
const WAIT_MS = 8_000;

/**
 * Acknowledges what a receiver has, and gives it what comes next; one that may wait is answered when there is something.
 *
 * @param gone - aborts when the receiver has left.
 * @throws BrokerError INVALID_FIELD, AUTHORITY_UNAVAILABLE, LEDGER_UNAVAILABLE
 * @see RFC 8936 section 2.2
 */
export async function pollEvents(
  { streamId }: EventStream,
  audience: string,
  request: JsonObject,
  ports: PollPorts,
  gone: AbortSignal,
): Promise<Polled> {
  const { outboxes } = ports;
  const { maxEvents = EVENTS_MAX, returnImmediately = false, ack = [], setErrs = {} } = request;
  if (typeof maxEvents !== "number" || !Number.isSafeInteger(maxEvents) || maxEvents < 0) {
    throw invalidField("maxEvents", "a whole number");
  }
  if (typeof returnImmediately !== "boolean") throw invalidField("returnImmediately", "true or false");
  const isAck = Array.isArray(ack) && ack.length <= ACKNOWLEDGED_MAX && ack.every((one) => typeof one === "string");
  if (!isAck) throw invalidField("ack", `a list of at most ${ACKNOWLEDGED_MAX} texts`);
  if (!isObject(setErrs)) throw invalidField("setErrs", "an object");
  const refused = Object.keys(setErrs).slice(0, ACKNOWLEDGED_MAX);
  outboxes.acknowledge(streamId, [...ack, ...refused]);
  if (refused.length > 0)
    ports.refused(streamId, [...new Set(refused.map((jti) => errorCodeIn(setErrs[jti]) ?? "unknown"))]);
  if (maxEvents === 0) return { sets: {} };

  const wanted = Math.min(maxEvents, EVENTS_MAX);
  const endsAtMs = ports.clock.monotonicMs() + WAIT_MS;
  for (;;) {
    const news = newsWithin(outboxes, ports.clock, endsAtMs, gone);
    try {
      const { events, more } = await outboxes.next(streamId, wanted);
      const isOver = returnImmediately || gone.aborted || ports.clock.monotonicMs() >= endsAtMs;
      if (events.length > 0 || isOver) {
        const sets: Record<string, string> = {};
        for (const event of events) sets[event.jti] = await signEvent(event, audience, ports);
        return more ? { sets, moreAvailable: true } : { sets };
      }
      await news.came;
    } finally {
      news.end();
    }
  }
}

/** Resolves when there may be something, the time is over, or the receiver has left. It listens from now on. */
function newsWithin(outboxes: Outboxes, clock: Clock, endsAtMs: number, gone: AbortSignal) {
  const { promise: came, resolve } = Promise.withResolvers<void>();
  const over = () => resolve();
  const ends = [
    outboxes.onNews(over),
    clock.schedule(Math.max(0, endsAtMs - clock.monotonicMs()), over),
    () => gone.removeEventListener("abort", over),
  ];
  gone.addEventListener("abort", over);
  return {
    came,
    end() {
      for (const end of ends) end();
    },
  };
}
