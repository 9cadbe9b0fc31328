import { type Denial, denial } from "../../domain/errors.ts";
import type { EventsDelivered } from "../../domain/ledger-event.ts";
import type { EndEventStreamAct, PutEventStreamAct, RecordDeliveredAct } from "../../ports/event-stream-acts.ts";
import type { Sequenced } from "../../ports/ledger-acts.ts";
import { answered, ask, type Deliberation, read, refused } from "../rule.ts";
import { recordedAll, sequenced } from "./sequenced.ts";

/** So many streams stay well below the largest size of one event. */
const STREAMS_PER_EVENT_MAX = 500;

export function* putEventStream({ stream, changes, by, now }: PutEventStreamAct): Deliberation<Sequenced | Denial> {
  const { entry, streamId } = yield* ask({
    entry: read("entry", stream.entryId),
    streamId: read("eventStreamOf", stream.entryId),
  });
  if (entry === undefined || entry.isDisabled || entry.isRetired) {
    return refused(denial("NOT_ENTITLED", "the registration entry is not in force"));
  }
  if (streamId !== undefined && streamId !== stream.streamId) {
    return refused(ofStreamId("of the one stream that the receiver has"));
  }
  if (changes === true && streamId === undefined) return refused(ofStreamId("of a stream that there is"));
  return recordedAll([{ type: "event_stream.put", v: 1, at: now, stream, by }]);
}

export function* endEventStream({ streamId, by, now }: EndEventStreamAct): Deliberation<Sequenced | Denial> {
  const { delivered } = yield* ask({ delivered: read("eventsDelivered", streamId) });
  if (delivered === undefined) return refused(ofStreamId("of a stream that there is"));
  return recordedAll([{ type: "event_stream.ended", v: 1, at: now, streamId, by }]);
}

/** Records the positions that are above the known ones; sequence 0 when there are none. */
export function* recordDelivered({ streams, now }: RecordDeliveredAct): Deliberation<Sequenced> {
  const { known } = yield* ask({ known: streams.map(({ streamId }) => read("eventsDelivered", streamId)) });
  const news = streams.filter(({ sequence }, index) => sequence > (known[index] ?? Number.POSITIVE_INFINITY));
  if (news.length === 0) return answered(sequenced(0));
  const events: EventsDelivered[] = [];
  for (let start = 0; start < news.length; start += STREAMS_PER_EVENT_MAX) {
    const part = news.slice(start, start + STREAMS_PER_EVENT_MAX);
    events.push({ type: "events.delivered", v: 1, at: now, streams: part });
  }
  return recordedAll(events);
}

function ofStreamId(expected: string): Denial {
  return denial("INVALID_FIELD", `stream_id: ${expected}`, { field: "stream_id" });
}
