import type { EventStream, EventStreamRow } from "../../../domain/event-stream.ts";

export const EVENT_STREAM = {
  /** What was denied while a stream was disabled is not sent; a new one begins where it is. */
  put: `
    INSERT INTO event_stream (stream_id, entry_id, stream, delivered_sequence)
    VALUES (@streamId, @entryId, @stream, @sequence)
    ON CONFLICT (stream_id) DO UPDATE
       SET stream = excluded.stream,
           delivered_sequence = CASE WHEN event_stream.stream ->> '$.status' = 'disabled' THEN excluded.delivered_sequence
                                     ELSE event_stream.delivered_sequence END`,
  end: "DELETE FROM event_stream WHERE stream_id = @streamId",
  endOfEntry: "DELETE FROM event_stream WHERE entry_id = @entryId",
  deliver: `
    UPDATE event_stream SET delivered_sequence = @sequence
     WHERE stream_id = @streamId AND delivered_sequence < @sequence`,
  all: "SELECT stream, delivered_sequence AS delivered FROM event_stream ORDER BY stream_id",
  ofEntry: "SELECT stream_id AS streamId FROM event_stream WHERE entry_id = @entryId",
  deliveredOf: "SELECT delivered_sequence AS delivered FROM event_stream WHERE stream_id = @streamId",
} as const;

export type StoredEventStream = { readonly stream: string; readonly delivered: number };

export function eventStreamOf({ stream, delivered }: StoredEventStream): EventStreamRow {
  return { ...(JSON.parse(stream) as EventStream), delivered };
}
