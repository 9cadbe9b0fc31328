import { BrokerError } from "../../src/domain/errors.ts";
import type { VerifierEntry } from "../../src/domain/registration-entry.ts";
import type { JsonObject } from "../../src/domain/strict-json.ts";
import { pollEvents } from "../../src/signals/poll-events.ts";
import { eventsUrlOf } from "./cast.ts";
import { at, chosen } from "./choose.ts";
import type { EventOf } from "./events.ts";
import { note } from "./model-history.ts";
import type { World } from "./world.ts";

/** What becomes of a token that is pushed: it is taken, refused, taken and the answer lost, or nothing is heard for long. */
export const ANSWERS = ["takes", "refuses", "loses", "hangs"] as const;

/** A token as its receiver has it. */
export type GotEvent = { readonly token: string; readonly streamId: string | undefined };

/** One who is sent security events. */
export type EventReceiver = {
  /** Name of its verifier's entry. */
  readonly verifier: string;
  /** To one token after another, again and again in this order. */
  answers: readonly (typeof ANSWERS)[number][];
  pushes: number;
  /** What came, in this order, and was not looked at yet. */
  readonly news: GotEvent[];
  /** Steps of whose end it was told. */
  readonly told: Set<string>;
  /** Ids of what came by its last poll. */
  unacknowledged: readonly string[];
};

/** As long as an HTTP client waits. */
const HANGS_MS = 10_000;

export function createReceiver(verifier: string): EventReceiver {
  return { verifier, answers: ["takes"], pushes: 0, news: [], told: new Set(), unacknowledged: [] };
}

/** Stands where HTTP stands between the broker and those that it pushes to. */
export async function pushed(world: World, url: string, token: string): Promise<void> {
  const one = world.receivers.find(({ verifier }) => eventsUrlOf(verifier) === url);
  if (one === undefined) throw new Error("broken: nothing is pushed to anybody else");
  const answer = at(one.answers, one.pushes) ?? "takes";
  one.pushes += 1;
  note(world.model, `push ${answer}`);
  if (answer === "refuses") throw new Error("400");
  if (answer === "hangs") {
    await new Promise<void>((resolve) => void world.clock.schedule(HANGS_MS, resolve));
    throw new Error("no answer");
  }
  one.news.push({ token, streamId: streamOf(world, one)?.streamId });
  if (answer === "loses") throw new Error("the connection broke");
}

export function entryOf({ broker }: World, { verifier }: EventReceiver): VerifierEntry | undefined {
  const entry = broker.entries.byName("verifier", verifier);
  return entry === undefined || entry.disabled ? undefined : (entry as VerifierEntry);
}

export function streamOf(world: World, one: EventReceiver) {
  const entry = entryOf(world, one);
  return entry === undefined ? undefined : world.broker.outboxes?.streamOf(entry.entryId);
}

/**
 * Asks for what came, having what was asked for before.
 *
 * @param isLost - the answer does not reach the receiver.
 * @returns how many events came.
 */
export async function poll(
  world: World,
  one: EventReceiver,
  asked: { readonly request: JsonObject; readonly isLost: boolean },
): Promise<number> {
  const { pollPorts } = world.broker;
  const [entry, stream] = [entryOf(world, one), streamOf(world, one)];
  if (entry === undefined || stream === undefined || pollPorts === undefined || stream.delivery !== "poll") return 0;
  const request = { returnImmediately: true, ...asked.request };
  const { signal } = new AbortController();
  const { sets } = await pollEvents(stream, entry.spiffeId, request, pollPorts, signal);
  if (asked.isLost) return 0;
  one.news.push(...Object.values(sets).map((token) => ({ token, streamId: stream.streamId })));
  one.unacknowledged = Object.keys(sets);
  note(world.model, "polled", one.unacknowledged.length);
  return one.unacknowledged.length;
}

/** Those who are told of ends by security events. */
export function eventReceivers(world: World) {
  const { receivers } = world;

  return {
    async "event-stream"({ receiver, asks }: EventOf<"event-stream">): Promise<void> {
      const one = chosen(receivers, receiver);
      const { streams } = world.broker;
      const entry = entryOf(world, one);
      if (entry === undefined || streams === undefined) return;
      const by = { entry, by: { kind: "entry", entryId: entry.entryId, process: "p" } } as const;
      const stream = streams.find(by, undefined);
      if (asks === "push" || asks === "poll") {
        const asked = { delivery: { method: `urn:ietf:rfc:${asks === "push" ? 8935 : 8936}` } };
        if (stream === undefined) await streams.create(by, asked);
        else await streams.change(by, stream, asked, false);
      } else if (stream !== undefined) {
        if (asks === "remove") await streams.remove(by, stream);
        else await streams.setStatus(by, stream, { status: asks });
      }
    },
    receiver({ receiver, answers }: EventOf<"receiver">): void {
      chosen(receivers, receiver).answers = answers;
    },
    async poll({ receiver, eventsMax, acknowledges, isLost }: EventOf<"poll">): Promise<void> {
      const one = chosen(receivers, receiver);
      const ids = one.unacknowledged;
      const errors = Object.fromEntries(ids.map((jti) => [jti, { err: "invalid_request" }]));
      const said = { all: { ack: [...ids] }, errors: { setErrs: errors }, none: {} }[acknowledges];
      try {
        await poll(world, one, { request: { maxEvents: eventsMax, ...said }, isLost });
      } catch (thrown) {
        // The key of events is gone, or what is kept is behind: it polls again.
        if (!(thrown instanceof BrokerError)) throw thrown;
      }
    },
  };
}
