import type { LedgerEvent } from "../../src/domain/ledger-event.ts";
import { type History, promise } from "./model-history.ts";

/** A receiver's stream of security events, as the events say. */
export type ModelStream = {
  readonly entryId: string;
  /** Of its first event. */
  readonly first: number;
  /** What ended from here on is to be sent. */
  begin: number;
  status: string;
  /** Through here its receiver has all, on record. */
  delivered: number;
};

export type ModelStreams = {
  readonly all: ReadonlyMap<string, ModelStream>;
  take(event: LedgerEvent, sequence: number): void;
};

export function createModelStreams({ entries }: History): ModelStreams {
  const all = new Map<string, ModelStream>();

  function put(streamId: string, entryId: string, status: string, sequence: number): void {
    promise(entries.get(entryId)?.content.kind === "verifier", "a receiver is a verifier");
    const others = [...all].filter(([id, one]) => id !== streamId && one.entryId === entryId);
    promise(others.length === 0, "a receiver has one stream");
    const known = all.get(streamId);
    const isNew = known === undefined || known.status === "disabled";
    const { first = sequence } = known ?? {};
    const { begin, delivered } = isNew ? { begin: sequence, delivered: 0 } : known;
    all.set(streamId, { entryId, first, begin, status, delivered });
  }

  return {
    all,
    take(event, sequence) {
      switch (event.type) {
        case "event_stream.put":
          return put(event.stream.streamId, event.stream.entryId, event.stream.status, sequence);
        case "event_stream.ended":
          return void all.delete(event.streamId);
        case "events.delivered":
          for (const { streamId, sequence: delivered } of event.streams) {
            const one = all.get(streamId);
            promise(
              one !== undefined && delivered < sequence,
              "what is delivered is of a stream, and was denied before",
            );
            promise(delivered > one.delivered, "what was delivered stays delivered");
            one.delivered = delivered;
          }
          return;
        default:
      }
    },
  };
}
