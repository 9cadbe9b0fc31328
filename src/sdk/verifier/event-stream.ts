import { createSecureContext } from "node:tls";
import { SENT_EVENTS } from "../../domain/security-event.ts";
import { isObject, type JsonObject, parseStrictText } from "../../domain/strict-json.ts";
import { askIssuer, DocumentUnavailable, type IssuerPlace } from "./issuer-document.ts";
import type { PollRevocation } from "./issuer-settings.ts";
import type { TlsSvid } from "./tls-server.ts";

/** The one stream of the receiver's entry. */
export type EventStream = {
  readonly streamId: string;
  /** `aud` of its events. */
  readonly audience: string;
  /** What may be presented at one of these, its events tell of. */
  readonly audiences: readonly string[];
};

/** Why a stream does not tell of every end, or did not meanwhile. */
export class StreamUnusable extends DocumentUnavailable {}

/** What a poll was answered with. */
export type Polled = {
  /** Security event tokens, by `jti`. */
  readonly sets: ReadonlyMap<string, string>;
  readonly more: boolean;
  /** By the issuer's clock, rounded down: Unix milliseconds. */
  readonly dateMs: number;
};

export type EventStreams = {
  /** The stream that there is, or else one that is made. @throws DocumentUnavailable */
  open(signal: AbortSignal): Promise<EventStream>;
  /**
   * Acknowledges what was received, and asks for what comes next.
   *
   * @param waits - whether the issuer may wait until there is something.
   * @throws DocumentUnavailable
   */
  poll(ack: readonly string[], waits: boolean, signal: AbortSignal): Promise<Polled>;
  /** That the stream is as it was when it was opened, and that events are sent on it. @throws DocumentUnavailable */
  check(stream: EventStream, signal: AbortSignal): Promise<void>;
  /** Asks for an event with this text in it, which every receiver of the stream may be sent. @throws DocumentUnavailable */
  verify(stream: EventStream, state: string, signal: AbortSignal): Promise<void>;
};

const POLL_METHOD = "urn:ietf:rfc:8936";
const STREAM = "/ssf/stream";
const STATUS = "/ssf/status";
const VERIFY = "/ssf/verify";
const POLL = "/ssf/poll";
/** In one answer. */
const EVENTS_MAX = 100;
/** A hundred events of two KiB, and room. */
const BYTES_MAX = 1024 * 1024;

/**
 * Streams of security events at an issuer, asked for with the X.509-SVID of their receiver.
 *
 * @see SSF 1.0 section 8.1, RFC 8936 section 2
 */
export function eventStreamsAt(place: IssuerPlace, svid: PollRevocation["svid"]): EventStreams {
  /** Where it is from, and what goes wrong there, is its owner's. */
  async function ownSvid(): Promise<TlsSvid> {
    try {
      const { cert, key } = await svid();
      createSecureContext({ cert, key });
      return { cert, key };
    } catch {
      throw new DocumentUnavailable("there is no X.509-SVID of this verifier to be had");
    }
  }

  async function ask(path: string, signal: AbortSignal, body?: JsonObject) {
    const client = await ownSvid();
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    return askIssuer(place, path, { accept: "application/json", bytesMax: BYTES_MAX, signal, client, ...sent });
  }

  return {
    async open(signal) {
      const listed = await ask(STREAM, signal);
      const [known]: readonly unknown[] = listed.status === 200 ? listIn(listed.text) : [];
      if (known !== undefined) return streamIn(known);
      if (listed.status !== 200) throw answered(STREAM, listed.status);
      const made = await ask(STREAM, signal, { delivery: { method: POLL_METHOD } });
      if (made.status !== 201) throw answered(STREAM, made.status);
      return streamIn(parseStrictText(made.text));
    },
    async poll(ack, waits, signal) {
      const asked = { maxEvents: EVENTS_MAX, returnImmediately: !waits, ack: [...ack] };
      const { status, text, dateMs } = await ask(POLL, signal, asked);
      if (status === 404) throw new StreamUnusable("the stream of this verifier is gone");
      if (status !== 200) throw answered(POLL, status);
      const { sets, moreAvailable = false } = parseStrictText(text) ?? {};
      const tokens = isObject(sets) ? Object.entries(sets) : [];
      const isWhole = isObject(sets) && tokens.every((one): one is [string, string] => typeof one[1] === "string");
      if (!isWhole || Number.isNaN(dateMs)) throw new DocumentUnavailable(`${POLL} was answered with no events`);
      return { sets: new Map(tokens as [string, string][]), more: moreAvailable !== false, dateMs };
    },
    async check({ streamId, audiences }, signal) {
      const at = `?stream_id=${encodeURIComponent(streamId)}`;
      const [status, stream] = await Promise.all([ask(STATUS + at, signal), ask(STREAM + at, signal)]);
      for (const { status: code } of [status, stream]) {
        if (code === 404) throw new StreamUnusable("the stream of this verifier is gone");
        if (code !== 200) throw answered(STREAM, code);
      }
      if (parseStrictText(status.text)?.["status"] !== "enabled") {
        throw new StreamUnusable("the stream of this verifier is not enabled");
      }
      const now = streamIn(parseStrictText(stream.text));
      if (!audiences.every((one) => now.audiences.includes(one))) {
        throw new StreamUnusable("the stream of this verifier is for other audiences");
      }
    },
    async verify({ streamId }, state, signal) {
      const { status } = await ask(VERIFY, signal, { stream_id: streamId, state });
      // Too soon after the last, whoever asked for that.
      if (status !== 204 && status !== 429) throw answered(VERIFY, status);
    },
  };
}

function listIn(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value)) return value;
  } catch {
    // As every other text that is no list.
  }
  throw new DocumentUnavailable(`${STREAM} was answered with no list of streams`);
}

function streamIn(value: unknown): EventStream {
  const {
    stream_id: streamId,
    aud: audience,
    audiences,
    delivery,
    events_delivered: events,
  } = isObject(value) ? value : {};
  const isWhole = typeof streamId === "string" && typeof audience === "string" && isObject(delivery);
  if (!isWhole || !areTexts(events) || !areTexts(audiences)) {
    throw new StreamUnusable(`${STREAM} was answered with no stream, or with one that does not say its audiences`);
  }
  if (delivery["method"] !== POLL_METHOD) throw new StreamUnusable("the stream of this verifier is for push");
  if (!events.includes(SENT_EVENTS.sessionRevoked)) {
    throw new StreamUnusable("the stream of this verifier is without session-revoked");
  }
  return { streamId, audience, audiences };
}

function areTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}

function answered(path: string, status: number): DocumentUnavailable {
  return new DocumentUnavailable(`${path} was answered ${status}`);
}
