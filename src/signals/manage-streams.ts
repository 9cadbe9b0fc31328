import type { Actor } from "../domain/actor.ts";
import { base64urlOf } from "../domain/base64url.ts";
import { errorOf, invalidField, isDenial } from "../domain/errors.ts";
import {
  DELIVERIES,
  type Delivery,
  deliveredEvents,
  type EventStream,
  STREAM_ID_BYTES,
  STREAM_STATUSES,
  type StreamStatus,
} from "../domain/event-stream.ts";
import { LIMITS } from "../domain/limits.ts";
import type { VerifierEntry } from "../domain/registration-entry.ts";
import { isObject, type JsonObject } from "../domain/strict-json.ts";
import type { UnixMicros } from "../domain/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { Randomness } from "../ports/randomness.ts";
import type { Outboxes } from "./outboxes.ts";

/** A receiver, as its connection has proved it to be. */
export type Receiver = { readonly entry: VerifierEntry; readonly by: Actor };

export type StreamManagement = {
  /** Of a receiver without a stream. @throws BrokerError INVALID_FIELD `stream_id` where it has one */
  create(receiver: Receiver, asked: JsonObject): Promise<EventStream>;
  /** The receiver's stream; `undefined` where it has none, or none with this id. */
  find(receiver: Receiver, streamId: string | undefined): EventStream | undefined;
  /** @param whole - whether what is not said takes its default, instead of staying as it is. */
  change(receiver: Receiver, stream: EventStream, asked: JsonObject, whole: boolean): Promise<EventStream>;
  setStatus(receiver: Receiver, stream: EventStream, asked: JsonObject): Promise<EventStream>;
  remove(receiver: Receiver, stream: EventStream): Promise<void>;
  /** Has an event sent that proves the stream to work; `false` when one was asked for too short a time ago. */
  verify(stream: EventStream, asked: JsonObject): boolean;
};

export type ManagePorts = {
  readonly ledger: Pick<Ledger, "perform">;
  readonly outboxes: Pick<Outboxes, "streamOf" | "verify" | "following">;
  readonly clock: Pick<Clock, "now">;
  readonly random: Randomness;
};

/** Verifications that a receiver may ask for: one a minute. */
export const VERIFICATION_SECONDS_MIN = 60;

const EVENTS_MAX = 64;

/**
 * What receivers may do with their streams. All functions throw BrokerError INVALID_FIELD for what can't be taken, and
 * LEDGER_UNAVAILABLE.
 *
 * @see SSF 1.0 section 8.1
 */
export function createStreamManagement({ ledger, outboxes, clock, random }: ManagePorts): StreamManagement {
  const verifiedAt = new Map<string, UnixMicros>();

  /** @param kind - what is known of streams here may be behind: the ledger refuses to change one that has ended. */
  async function record(
    stream: EventStream,
    { by }: Receiver,
    kind: { readonly changes?: true },
  ): Promise<EventStream> {
    const result = await ledger.perform({ act: "put-event-stream", stream, ...kind, by, now: clock.now() });
    if (isDenial(result)) throw errorOf(result);
    await outboxes.following.reached(result.sequence);
    return stream;
  }

  function asAsked(receiver: Receiver, asked: JsonObject, before: EventStream | undefined): Pick<EventStream, Asked> {
    const { events_requested: requested, description } = asked;
    const events = requested === undefined ? before?.events : deliveredEvents(urisIn(requested));
    const said = description === undefined ? before?.description : textOf(description, "description");
    return {
      delivery:
        asked["delivery"] === undefined ? (before?.delivery ?? "poll") : deliveryOf(receiver, asked["delivery"]),
      events: events ?? deliveredEvents(undefined),
      ...(said === undefined ? {} : { description: said }),
    };
  }

  return {
    async create(receiver, asked) {
      const { entryId } = receiver.entry;
      if (outboxes.streamOf(entryId) !== undefined) throw invalidField("stream_id", "of the one stream that there is");
      const streamId = base64urlOf(random.bytes(STREAM_ID_BYTES));
      const stream = { streamId, entryId, status: "enabled", ...asAsked(receiver, asked, undefined) } as const;
      return record(stream, receiver, {});
    },
    find({ entry }, streamId) {
      const stream = outboxes.streamOf(entry.entryId);
      return streamId === undefined || stream?.streamId === streamId ? stream : undefined;
    },
    change(receiver, stream, asked, whole) {
      const { streamId, entryId, status, reason } = stream;
      const kept = { streamId, entryId, status, ...(reason === undefined ? {} : { reason }) };
      return record({ ...kept, ...asAsked(receiver, asked, whole ? undefined : stream) }, receiver, { changes: true });
    },
    setStatus(receiver, stream, asked) {
      const { reason: _, ...kept } = stream;
      const status = STREAM_STATUSES.find((one): one is StreamStatus => one === asked["status"]);
      if (status === undefined) throw invalidField("status", `one of ${STREAM_STATUSES.join(", ")}`);
      const reason = asked["reason"] === undefined ? undefined : textOf(asked["reason"], "reason");
      return record({ ...kept, status, ...(reason === undefined ? {} : { reason }) }, receiver, { changes: true });
    },
    async remove({ by }, { streamId }) {
      const result = await ledger.perform({ act: "end-event-stream", streamId, by, now: clock.now() });
      if (isDenial(result)) throw errorOf(result);
      verifiedAt.delete(streamId);
      await outboxes.following.reached(result.sequence);
    },
    verify({ streamId }, { state }) {
      const said = state === undefined ? undefined : textOf(state, "state");
      const now = clock.now();
      const last = verifiedAt.get(streamId);
      if (last !== undefined && now >= last && now - last < VERIFICATION_SECONDS_MIN * 1_000_000) return false;
      verifiedAt.set(streamId, now);
      outboxes.verify(streamId, said);
      return true;
    },
  };
}

type Asked = "delivery" | "events" | "description";

/** A URL that a receiver names must be the one that it is registered with: the broker is sent to no other place. */
function deliveryOf({ entry }: Receiver, asked: unknown): Delivery {
  if (!isObject(asked)) throw invalidField("delivery", "an object");
  const { method, endpoint_url: url } = asked;
  const { eventsUrl } = entry.content;
  switch (method) {
    case DELIVERIES.poll:
      return "poll";
    case DELIVERIES.push:
      if (eventsUrl === undefined || (url !== undefined && url !== eventsUrl)) {
        throw invalidField("delivery.endpoint_url", "the events_url that the receiver is registered with");
      }
      if (asked["authorization_header"] !== undefined) {
        throw invalidField("delivery.authorization_header", "none: no secret of a receiver is kept");
      }
      return "push";
    default:
      throw invalidField("delivery.method", Object.values(DELIVERIES).join(" or "));
  }
}

function urisIn(value: unknown): readonly string[] {
  const isList = Array.isArray(value) && value.length <= EVENTS_MAX && value.every((one) => typeof one === "string");
  if (!isList) throw invalidField("events_requested", `a list of at most ${EVENTS_MAX} URIs`);
  return value;
}

function textOf(value: unknown, field: string): string {
  if (typeof value === "string" && Buffer.byteLength(value) <= LIMITS.purposeBytesMax) return value;
  throw invalidField(field, `a text of at most ${LIMITS.purposeBytesMax} bytes`);
}
