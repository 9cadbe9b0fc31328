import { sha256Hex } from "../domain/digest.ts";
import type { EventStream, EventStreamRow } from "../domain/event-stream.ts";
import type { RegistrationEntry } from "../domain/registration-entry.ts";
import { VERIFICATION_EVENT } from "../domain/security-event.ts";
import { createListeners } from "../follow/listeners.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { EntryDirectory } from "../ports/directories.ts";
import type { Committed, Following } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { DenyEntry, FeedReads, ProjectionReads } from "../ports/ledger-reads.ts";
import { eventOf, type SaidEvent } from "./denial-event.ts";

/** An event that is to be sent, and was not yet acknowledged. The same event has the same `jti` whenever it is sent. */
export type PendingEvent = SaidEvent & { readonly jti: string; readonly txn?: string; readonly sequence: number };

export type Outboxes = {
  readonly following: Following;
  /** The stream of a receiver's entry. */
  streamOf(entryId: string): EventStream | undefined;
  all(): readonly EventStream[];
  /** What is to be sent next, oldest first, and whether there is more; nothing of a stream that is not enabled. */
  next(
    streamId: string,
    eventsMax: number,
  ): Promise<{ readonly events: readonly PendingEvent[]; readonly more: boolean }>;
  /** What proves a stream to work, as it was asked for at this broker: of that, brokers that share the ledger know nothing. */
  verifications(streamId: string): readonly PendingEvent[];
  /** These were received, so that they are not sent again. Others are passed over. */
  acknowledge(streamId: string, jtis: readonly string[]): void;
  /** Puts an event that proves the stream to work before all others. It is lost at a restart, and may be asked for again. */
  verify(streamId: string, state: string | undefined): void;
  /** Calls when there may be more to be sent, or a stream is another; ends with the returned function. */
  onNews(listener: () => void): Cancel;
  /** Writes how far receivers are, and ends. */
  stop(): Promise<void>;
};

export type OutboxesPorts = {
  readonly ledger: Pick<Ledger, "follow" | "head" | "perform">;
  readonly projections: Pick<ProjectionReads, "eventStreams">;
  readonly feed: Pick<FeedReads, "denied">;
  readonly entries: Pick<EntryDirectory, "byId">;
  readonly clock: Clock;
  /** Calls with the deny entries of each event from here on. */
  readonly onDenied: (listener: () => void) => Cancel;
  readonly issuer: string;
  readonly failed: (error: unknown) => void;
};

type Outbox = {
  stream: EventStream;
  /** The sequence that is recorded as delivered. */
  recorded: number;
  /** What the feed had up to here is pending, or was acknowledged. */
  readThrough: number;
  /** By `jti`, oldest first. */
  readonly pending: Map<string, PendingEvent>;
  readonly verifications: Map<string, PendingEvent>;
  hasAcknowledged: boolean;
};

/** Events of one stream that are in memory at a time; what comes after them stays in the ledger. */
const PENDING_MAX = 1_000;
/** At most one event a second in the ledger, however many receivers acknowledge. */
const JOURNAL_MS = 1_000;
/** Of a stream that nothing concerns, so that after a restart not all of the log is looked through for it. */
const UNCONCERNED_SEQUENCES_MAX = 10_000;
/** Receivers whose verifications nobody fetches. */
const VERIFICATIONS_MAX = 8;

/**
 * Keeps what is to be sent to receivers of security events. The queue is the ledger: of each stream the sequence is
 * recorded up to which its receiver has all that concerns it, and what comes after is read from the deny-list.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE
 */
export async function keepOutboxes(ports: OutboxesPorts): Promise<Outboxes> {
  const { ledger, clock, entries } = ports;
  const { onChange: onNews, tell } = createListeners(ports.failed);
  const boxes = new Map<string, Outbox>();
  const byEntry = new Map<string, string>();
  let cancel: Cancel = () => undefined;
  let isOver = false;
  let verifications = 0;

  const { value, through } = await ports.projections.eventStreams();
  for (const row of value) put(row, row.delivered);

  function put(stream: EventStream & Partial<EventStreamRow>, sequence: number): void {
    const { delivered: _, ...said } = stream;
    const known = boxes.get(stream.streamId);
    byEntry.set(stream.entryId, stream.streamId);
    if (known !== undefined && known.stream.status !== "disabled") {
      // Which events are sent may be others now: what is pending is looked at again.
      known.readThrough = positionOf(known);
      known.pending.clear();
      known.stream = said;
      return;
    }
    boxes.set(stream.streamId, {
      stream: said,
      recorded: sequence,
      readThrough: sequence,
      pending: new Map(),
      verifications: new Map(),
      hasAcknowledged: false,
    });
  }

  function end(streamId: string): void {
    const box = boxes.get(streamId);
    if (box !== undefined) byEntry.delete(box.stream.entryId);
    boxes.delete(streamId);
  }

  function take({ event, sequence }: Committed): void {
    switch (event.type) {
      case "event_stream.put":
        put(event.stream, sequence);
        break;
      case "event_stream.ended":
        end(event.streamId);
        break;
      case "entry.put":
        // A receiver that is enabled again is sent what ended meanwhile, of which nothing else tells.
        if (!byEntry.has(event.entry.entryId)) return;
        break;
      case "entry.retired":
        end(byEntry.get(event.entryId) ?? "");
        break;
      case "events.delivered":
        for (const { streamId, sequence: delivered } of event.streams) {
          const box = boxes.get(streamId);
          if (box !== undefined) tookUpTo(box, delivered);
        }
        return;
      default:
        return;
    }
    tell();
  }

  /** The receiver has all up to here, of this broker or of another that shares the ledger. */
  function tookUpTo(box: Outbox, delivered: number): void {
    box.recorded = Math.max(box.recorded, delivered);
    box.readThrough = Math.max(box.readThrough, delivered);
    for (const [jti, { sequence }] of box.pending) {
      if (sequence > delivered) return;
      box.pending.delete(jti);
    }
  }

  const following = ledger.follow({ name: "streams of security events", take }, through);
  const endNews = ports.onDenied(tell);

  async function fill(box: Outbox, wanted: number): Promise<void> {
    const { sequence: head } = ledger.head();
    if (box.pending.size >= wanted || box.readThrough >= head) return;
    const entry = entries.byId(box.stream.entryId);
    const { stream } = box;
    for await (const part of ports.feed.denied(box.readThrough, head)) {
      // The stream changed meanwhile, and what is to be sent is decided anew.
      if (box.stream !== stream) return;
      for (const denied of part.entries) {
        const event = entry === undefined ? undefined : eventFor(stream, entry, denied, ports.issuer);
        if (event !== undefined && event.sequence > box.recorded) box.pending.set(event.jti, event);
      }
      box.readThrough = Math.max(box.readThrough, part.through);
      if (box.pending.size >= PENDING_MAX) return;
    }
  }

  function journalLater(): void {
    if (isOver) return;
    cancel = clock.schedule(JOURNAL_MS, () => {
      journal().catch(ports.failed).finally(journalLater);
    });
  }

  async function journal(): Promise<void> {
    const streams = [...boxes.values()].flatMap((box) => {
      const sequence = positionOf(box);
      const isNews = box.hasAcknowledged || sequence - box.recorded > UNCONCERNED_SEQUENCES_MAX;
      if (!isNews || sequence <= box.recorded) return [];
      box.hasAcknowledged = false;
      return [{ streamId: box.stream.streamId, sequence }];
    });
    if (streams.length > 0) await ledger.perform({ act: "record-delivered", streams, now: clock.now() });
  }

  journalLater();

  return {
    following,
    streamOf: (entryId) => boxes.get(byEntry.get(entryId) ?? "")?.stream,
    all: () => [...boxes.values()].map(({ stream }) => stream),
    async next(streamId, eventsMax) {
      const box = boxes.get(streamId);
      if (box === undefined || box.stream.status !== "enabled") return { events: [], more: false };
      await fill(box, eventsMax + 1);
      const all = [...box.verifications.values(), ...box.pending.values()];
      return { events: all.slice(0, eventsMax), more: all.length > eventsMax };
    },
    verifications(streamId) {
      const box = boxes.get(streamId);
      return box?.stream.status === "enabled" ? [...box.verifications.values()] : [];
    },
    acknowledge(streamId, jtis) {
      const box = boxes.get(streamId);
      for (const jti of jtis) {
        if (box?.pending.delete(jti) === true) box.hasAcknowledged = true;
        box?.verifications.delete(jti);
      }
    },
    verify(streamId, state) {
      const box = boxes.get(streamId);
      if (box === undefined) return;
      verifications += 1;
      const jti = sha256Hex(Buffer.from(`${streamId}\n${clock.now()}\n${verifications}`)).slice(0, JTI_LENGTH);
      box.verifications.set(jti, {
        jti,
        sequence: 0,
        event: VERIFICATION_EVENT,
        subject: { format: "opaque", id: streamId },
        said: state === undefined ? {} : { state },
      });
      const [oldest] = box.verifications.keys();
      if (box.verifications.size > VERIFICATIONS_MAX && oldest !== undefined) box.verifications.delete(oldest);
      tell();
    },
    onNews,
    async stop() {
      isOver = true;
      cancel();
      endNews();
      following.end();
      await journal().catch(ports.failed);
    },
  };
}

const JTI_LENGTH = 32;

/** The sequence through which a stream's receiver has all. */
function positionOf({ pending, readThrough }: Outbox): number {
  const [oldest] = pending.values();
  return oldest === undefined ? readThrough : oldest.sequence - 1;
}

/** What a receiver is told of a denial; nothing of one that does not concern it, or that it does not ask for. */
function eventFor(
  stream: EventStream,
  { content }: RegistrationEntry,
  denied: DenyEntry,
  issuer: string,
): PendingEvent | undefined {
  if (content.kind !== "verifier") return undefined;
  const concerns = denied.concernsAll || denied.audiences.some((one) => content.audiences.includes(one));
  if (!concerns) return undefined;
  const event = eventOf(denied, issuer);
  if (!stream.events.includes(event.event)) return undefined;
  const cause = `${stream.streamId}\n${denied.sequence}`;
  return {
    ...event,
    sequence: denied.sequence,
    jti: sha256Hex(Buffer.from(`${cause}\n${JSON.stringify(event.subject)}`)).slice(0, JTI_LENGTH),
    txn: sha256Hex(Buffer.from(cause)).slice(0, JTI_LENGTH),
  };
}
