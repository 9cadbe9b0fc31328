import type { Actor } from "../domain/actor.ts";
import type { EventStream } from "../domain/event-stream.ts";
import type { TakenEvent } from "../domain/security-event.ts";
import type { UnixMicros, UnixSeconds } from "../domain/time.ts";

/** The acts on streams of security events. The others are in `ledger-acts.ts`, with the list of all. */

/**
 * Creates a receiver's stream, or changes it. What is denied from then on is sent; a stream that was disabled begins anew.
 * NOT_ENTITLED for an entry that is out of force; INVALID_FIELD `stream_id` where the entry has another stream.
 */
export type PutEventStreamAct = {
  readonly act: "put-event-stream";
  readonly stream: EventStream;
  /** The stream is another now; one that has ended meanwhile is refused, INVALID_FIELD `stream_id`, and does not begin anew. */
  readonly changes?: true;
  readonly by: Actor;
  readonly now: UnixMicros;
};

/** Ends a stream, with all that was still to be sent. INVALID_FIELD `stream_id` where there is none. */
export type EndEventStreamAct = {
  readonly act: "end-event-stream";
  readonly streamId: string;
  readonly by: Actor;
  readonly now: UnixMicros;
};

/** Records how far receivers have all that concerns them. Cumulative: a sequence never goes back. Streams that ended are left out. */
export type RecordDeliveredAct = {
  readonly act: "record-delivered";
  readonly streams: readonly { readonly streamId: string; readonly sequence: number }[];
  readonly now: UnixMicros;
};

/**
 * Does what a security event of an identity provider asks for, once: `end` closes every step of the principal with its
 * descendants, as REVOKED, and bars nothing; `offboard` does the same and bars the principal, whom no step need have named.
 * An event that was taken before changes nothing: sequence 0.
 */
export type TakeSecurityEventAct = {
  readonly act: "take-security-event";
  readonly event: TakenEvent;
  /** Until when the event is known again, exclusive; one that old is not taken at all. */
  readonly expiresAt: UnixSeconds;
  readonly now: UnixMicros;
};
