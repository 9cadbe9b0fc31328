import { anyCanonicalJson } from "./any-canonical-json.ts";
import { base64urlOf } from "./base64url.ts";
import { sha256Hex } from "./digest.ts";

/** What is said on a message bus of the deny-list. Its signature alone is believed, and never the bus. */
export type FeedMessage = {
  /** Of the ledger: sequences of two epochs say nothing of each other. */
  readonly epoch: string;
  /** All that was denied up to this sequence was said, in this message or before it. */
  readonly through: number;
} & (
  | {
      /** All that was denied after the sequence `from`, as far as it is in force. */
      readonly kind: "denied";
      readonly from: number;
      readonly denials: Uint8Array;
    }
  | {
      /** One part of the whole deny-list in force; all of its parts have the same time. */
      readonly kind: "snapshot";
      /** From 1. */
      readonly part: number;
      readonly parts: number;
      readonly denials: Uint8Array;
    }
  | {
      /** What was denied before the message's time was said; `through` is that of the last message that denied something. */
      readonly kind: "heartbeat";
      /** `feedKeysDigest` of the keys that are published. */
      readonly keys: string;
    }
);

/** A message and when it was made; `atMs` is by the broker's clock, Unix milliseconds. Of a heartbeat, it is no later than what it says. */
export type TimedFeedMessage = FeedMessage & { readonly atMs: number };

/** What the token of a message says. `denials` are fields of a `stint.v1.WatchResponse.Denied`, in bytes. */
export type FeedMessageFacts = TimedFeedMessage & { readonly issuer: string };

/** `typ` of the token. */
export const FEED_MESSAGE_TYPE = "stint-feed+jwt";

/** No `sub`, `aud` and `exp`, so that the token can't pass for one that identifies somebody. */
export function feedMessageClaims(facts: FeedMessageFacts) {
  const { issuer, kind, epoch, atMs, through } = facts;
  const common = { iss: issuer, kind, epoch, at_ms: atMs, through };
  switch (facts.kind) {
    case "denied":
      return { ...common, from: facts.from, denials: base64urlOf(facts.denials) };
    case "snapshot":
      return { ...common, part: facts.part, parts: facts.parts, denials: base64urlOf(facts.denials) };
    case "heartbeat":
      return { ...common, keys: facts.keys };
  }
}

/**
 * The same for whoever has the same keys of a broker.
 *
 * @param published.bundle - the `keys` of its bundle document, as JSON has them.
 * @param published.events - those of its document of keys for lists and events.
 * @returns SHA-256 of their canonical JSON, hexadecimal
 * @see RFC 8785
 */
export function feedKeysDigest(published: { readonly bundle: unknown; readonly events: unknown }): string {
  return sha256Hex(anyCanonicalJson(published));
}

/** Below this prefix are the subjects, and the stream is named after it. */
export const FEED_SUBJECT_DEFAULT = "stint";
const SUBJECT = /^[A-Za-z0-9_-]{1,64}(?:\.[A-Za-z0-9_-]{1,64}){0,7}$/;

/** Where messages are told on NATS: the first two are kept by the stream. */
export type FeedSubjects = {
  readonly denied: string;
  readonly snapshot: string;
  readonly heartbeat: string;
  readonly stream: string;
};

export function isFeedSubject(text: string): boolean {
  return SUBJECT.test(text);
}

/** @param prefix - for which `isFeedSubject` holds. */
export function feedSubjects(prefix: string): FeedSubjects {
  return {
    denied: `${prefix}.denied`,
    snapshot: `${prefix}.snapshot`,
    heartbeat: `${prefix}.heartbeat`,
    // A dot can't stand in the name of a stream.
    stream: prefix.replaceAll(".", "_"),
  };
}
