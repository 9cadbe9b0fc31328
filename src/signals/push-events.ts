import type { EventStream } from "../domain/event-stream.ts";
import { isOfKind } from "../domain/registration-entry.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { EntryDirectory } from "../ports/directories.ts";
import type { EventPush } from "../ports/event-push.ts";
import type { Outboxes } from "./outboxes.ts";
import { type SignEventPorts, signEvent } from "./sign-event.ts";

export type PushPorts = SignEventPorts & {
  readonly outboxes: Outboxes;
  readonly entries: Pick<EntryDirectory, "byId">;
  readonly clock: Clock;
  readonly events: EventPush;
  /** Whether another broker pushes what ends, among brokers that share the ledger; what proves a stream each pushes itself. */
  readonly isElsewhere: () => boolean;
  /** Told of each attempt that failed, which is made again. */
  readonly delayed: (receiver: string, why: string) => void;
  readonly failed: (error: unknown) => void;
};

/** `again`: there may be more than was looked for. */
type Turn = { readonly attempts: number; again: boolean; cancel: Cancel };

/** Nothing was to be sent; all of a batch was taken; one was not. */
type Outcome = "done" | "delivered" | "delayed";

/** Signed and sent between two reads of what is to be sent. */
const BATCH = 20;
const FIRST_RETRY_MS = 1_000;
/** A receiver that was mended is told within five minutes. */
const RETRY_MS_MAX = 300_000;

/**
 * Pushes to each receiver that asks for it, one event after another in ledger order. An event that was not taken is sent again,
 * after ever longer waits and without end: it is in the ledger, and takes no memory.
 *
 * @returns what ends the pushing.
 */
export function keepPushing(ports: PushPorts): Cancel {
  const { outboxes, entries, clock } = ports;
  const turns = new Map<string, Turn>();
  let isOver = false;

  function look(): void {
    for (const stream of outboxes.all()) {
      const turn = turns.get(stream.streamId);
      if (turn !== undefined) turn.again = true;
      else if (isPushed(stream)) begin(stream.streamId, 0);
    }
  }

  function begin(streamId: string, attempts: number): void {
    const turn: Turn = { attempts, again: false, cancel: () => undefined };
    turns.set(streamId, turn);
    attempt(streamId)
      .then((outcome) => after(streamId, turn, outcome))
      .catch(ports.failed);
  }

  /** A fault of this broker's is no reason to give up either. */
  async function attempt(streamId: string): Promise<Outcome> {
    try {
      return await deliver(streamId);
    } catch (thrown) {
      ports.failed(thrown);
      return "delayed";
    }
  }

  function after(streamId: string, turn: Turn, outcome: Outcome): void {
    turns.delete(streamId);
    if (isOver || (outcome === "done" && !turn.again)) return;
    if (outcome !== "delayed") {
      begin(streamId, 0);
      return;
    }
    turns.set(streamId, turn);
    turn.cancel = clock.schedule(Math.min(FIRST_RETRY_MS * 2 ** turn.attempts, RETRY_MS_MAX), () => {
      begin(streamId, turn.attempts + 1);
    });
  }

  async function deliver(streamId: string): Promise<Outcome> {
    const { isElsewhere } = ports;
    const events = isElsewhere() ? outboxes.verifications(streamId) : (await outboxes.next(streamId, BATCH)).events;
    if (events.length === 0) return "done";
    for (const event of events) {
      const audience = receiverOf(streamId)?.spiffeId;
      if (audience === undefined) return "done";
      const token = await signEvent(event, audience, ports);
      // The stream may have been paused or removed while it was signed, and another made in its place.
      const receiver = receiverOf(streamId);
      if (isOver || receiver === undefined) return "done";
      try {
        await ports.events.push(receiver.url, token);
      } catch (thrown) {
        ports.delayed(receiver.name, thrown instanceof Error ? thrown.message : "unknown");
        return "delayed";
      }
      outboxes.acknowledge(streamId, [event.jti]);
    }
    return "delivered";
  }

  /** As its entry is now: one that is disabled, or has no URL any more, is sent nothing. */
  function receiverOf(streamId: string) {
    const stream = outboxes.all().find((one) => one.streamId === streamId);
    const entry = stream === undefined ? undefined : entries.byId(stream.entryId);
    if (stream === undefined || !isPushed(stream) || entry === undefined || entry.disabled) return undefined;
    if (!isOfKind(entry, "verifier") || entry.content.eventsUrl === undefined) return undefined;
    return { url: entry.content.eventsUrl, spiffeId: entry.spiffeId, name: entry.content.name };
  }

  const endNews = outboxes.onNews(look);
  look();
  return () => {
    isOver = true;
    endNews();
    for (const { cancel } of turns.values()) cancel();
  };
}

function isPushed({ delivery, status }: EventStream): boolean {
  return delivery === "push" && status === "enabled";
}
