import { create, toBinary } from "@bufbuild/protobuf";
import { type FeedMessage, feedKeysDigest, feedMessageClaims } from "../../../src/domain/feed-message.ts";
import { WatchResponse_DeniedSchema } from "../../../src/gen/stint/v1/revocations_pb.js";
import type { BusConnection, BusMessage } from "../../../src/sdk/verifier/index.ts";
import { forge, ISSUER, type Json, type Signer, signature } from "../../verify/token-forge.ts";
import type { DenialInit } from "./feed-responses.ts";

/** A bus in this process that tells and keeps what the test says, and a broker's messages for it. */
export type ScriptedBus = {
  readonly connection: BusConnection;
  /** What the stream keeps, from place 1 on; `undefined` for what it let go of. */
  readonly kept: (string | undefined)[];
  /** Tells those who listen on `stint.<kind>`. */
  tell(kind: "denied" | "heartbeat", text: string): void;
  /** How often the stream was read. */
  readonly reads: () => number;
  /** Answers no more who reads the stream, until called with `false`. */
  hold(isHeld: boolean): void;
  close(): void;
};

type Asked = { readonly seq: number; readonly batch: number };

/** Of an answer: what a nats-server sends in one, by default. */
const BATCH_MAX = 1_000;

export function scriptedBus(): ScriptedBus {
  const kept: (string | undefined)[] = [];
  const listeners = new Map<string, Set<(error: Error | null, message: BusMessage) => void>>();
  let reads = 0;
  let isHeld = false;
  let isClosed = false;
  const status = (code: number, more: Readonly<Record<string, string>> = {}): BusMessage => ({
    string: () => "",
    headers: { code, get: (name) => more[name] ?? "" },
  });

  async function* answered({ seq, batch }: Asked): AsyncGenerator<BusMessage> {
    reads += 1;
    if (isHeld) throw new Error("a timeout");
    const places = kept.flatMap((text, at) => (text !== undefined && at + 1 >= seq ? [{ text, place: at + 1 }] : []));
    if (places.length === 0) {
      yield status(404);
      return;
    }
    const part = places.slice(0, Math.min(batch, BATCH_MAX));
    for (const { text, place } of part) {
      yield { string: () => text, headers: { code: 0, get: () => String(place) } };
    }
    yield status(204, { "Nats-Num-Pending": String(places.length - part.length) });
  }

  return {
    kept,
    connection: {
      subscribe(subject, { callback }) {
        const heard = listeners.get(subject) ?? new Set();
        listeners.set(subject, heard.add(callback));
        return { unsubscribe: () => void heard.delete(callback) };
      },
      requestMany: async (_, payload) => answered(JSON.parse(payload) as Asked),
      isClosed: () => isClosed,
    },
    tell(kind, text) {
      for (const heard of listeners.get(`stint.${kind}`) ?? []) heard(null, { string: () => text });
    },
    reads: () => reads,
    hold(held) {
      isHeld = held;
    },
    close() {
      isClosed = true;
    },
  };
}

/** Denials as they stand in a message. */
export function denialBytes(...denials: readonly DenialInit[]): Uint8Array {
  return toBinary(WatchResponse_DeniedSchema, create(WatchResponse_DeniedSchema, { denials: [...denials] }));
}

/** The token of a message, by a broker's key for events. */
export function feedToken(by: Signer, message: FeedMessage & { readonly atMs: number }, claims: Json = {}): string {
  const head = { alg: "ES256", kid: by.kid, typ: "stint-feed+jwt" };
  const said = { ...feedMessageClaims({ issuer: ISSUER, ...message }), ...claims };
  return forge(JSON.stringify(head), JSON.stringify(said), signature(by, "ES256"));
}

/** `keys` of a heartbeat, of the two documents as they are served. */
export function keysDigestOf(bundle: string, events: string): string {
  const keysIn = (document: string) => (JSON.parse(document) as { readonly keys: unknown }).keys;
  return feedKeysDigest({ bundle: keysIn(bundle), events: keysIn(events) });
}
