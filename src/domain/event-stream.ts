import { SENT_EVENTS } from "./security-event.ts";

export const STREAM_STATUSES = ["enabled", "paused", "disabled"] as const;
/** `paused` holds what is to be sent until the stream is enabled again, `disabled` lets it go. SSF 1.0 section 8.1.2 */
export type StreamStatus = (typeof STREAM_STATUSES)[number];

/** How events reach the receiver. RFC 8935, RFC 8936 */
export const DELIVERIES = { push: "urn:ietf:rfc:8935", poll: "urn:ietf:rfc:8936" } as const;
export type Delivery = keyof typeof DELIVERIES;

/** A receiver's stream of security events; a verifier's entry has one at most. */
export type EventStream = {
  readonly streamId: string;
  readonly entryId: string;
  readonly status: StreamStatus;
  /** Why, as the receiver has said. */
  readonly reason?: string;
  readonly delivery: Delivery;
  /** URIs of the events that are sent. */
  readonly events: readonly string[];
  readonly description?: string;
};

/** A stream, and the sequence through which its receiver has all that concerns it. */
export type EventStreamRow = EventStream & { readonly delivered: number };

/** Random bytes in a stream's id. */
export const STREAM_ID_BYTES = 12;

/** What is sent of what was asked for. */
export function deliveredEvents(requested: readonly string[] | undefined): readonly string[] {
  const sent: readonly string[] = Object.values(SENT_EVENTS);
  return requested === undefined ? sent : sent.filter((one) => requested.includes(one));
}
