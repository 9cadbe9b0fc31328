import { parseBundleJson, plainJwks, tokenKeysIn } from "../domain/bundle.ts";
import { BrokerError } from "../domain/errors.ts";
import type { FeedMessage, FeedMessageFacts, TimedFeedMessage } from "../domain/feed-message.ts";
import type { Clock } from "../ports/clock.ts";
import type { AuthorityDirectory } from "../ports/directories.ts";
import type { FeedBus, KeptMessage } from "../ports/feed-bus.ts";
import type { Ledger } from "../ports/ledger.ts";
import { verifyFeedMessage } from "../verify/feed-message-token.ts";
import { VerificationError } from "../verify/verification-error.ts";
import { verificationKeysOf } from "../verify/verification-keys.ts";
import type { DenialsInForce, KeptDenial } from "./denials-in-force.ts";

export type FeedStreamPorts = {
  readonly ledger: Pick<Ledger, "head">;
  /** Denials in the bytes in which watchers are sent them. */
  readonly denyList: DenialsInForce<Uint8Array>;
  readonly bus: FeedBus;
  readonly authorities: Pick<AuthorityDirectory, "all">;
  readonly clock: Pick<Clock, "now">;
  readonly issuer: string;
  readonly sign: (facts: FeedMessageFacts) => Promise<string>;
  /** Told that the stream has what the ledger has not: it was put back in time. */
  readonly rolledBack: (why: string) => void;
};

/**
 * The stream of a bus. It begins with a whole deny-list, in parts, and goes on with what was denied since. It is asked for one thing at
 * a time, and each may throw a BrokerError as the bus, the ledger and the signer do.
 */
export type FeedStream = {
  /** Has the stream keep all that is denied by now. @returns the sequence of this epoch through which it then does */
  tellNew(): Promise<{ readonly epoch: string; readonly through: number }>;
  /** Looks at whether the stream has what it was given; what it has lost is told anew. */
  look(): Promise<void>;
  /** What is told next begins with a look at where the stream ends. */
  forget(): void;
  /** `undefined` while that is not known. */
  through(): number | undefined;
};

type Told = {
  readonly epoch: string;
  through: number;
  /** Of the deny-list that the stream begins with. */
  firstPlace: number;
  lastPlace: number;
  /** Messages since that deny-list. */
  since: number;
};

/** Some 120 bytes each, and base64 twice: 220 KB in a message, of which NATS takes 1 MiB by default. */
const DENIALS_PER_MESSAGE = 1_000;
/** Who begins reads at most so many messages more than the deny-list, some hundred at a time. */
const MESSAGES_SINCE_MAX = 1_000;

export function createFeedStream(ports: FeedStreamPorts): FeedStream {
  const { ledger, bus, issuer, clock } = ports;
  let told: Told | undefined;

  async function listNow() {
    await ports.denyList.ready();
    const list = ports.denyList.list();
    if (list === undefined) throw new BrokerError("LEDGER_UNAVAILABLE", "the deny-list is being read anew");
    return list;
  }

  /** The stream as it goes on, or as it was begun. */
  async function current(): Promise<Told> {
    const { epoch } = ledger.head();
    if (told?.epoch !== epoch) told = (await resumed(epoch)) ?? (await begun(epoch));
    return told;
  }

  /** Where the stream ends; `undefined` where it is not one of this ledger that somebody could begin with. */
  async function resumed(epoch: string): Promise<Told | undefined> {
    const places = await bus.places();
    if (places.first === undefined) return undefined;
    const first = ownMessage(await bus.read(places.first), epoch);
    const last = ownMessage(await bus.read(places.last), epoch);
    const { sequence } = ledger.head();
    if (last !== undefined && last.through > sequence) {
      ports.rolledBack(`the stream on the bus has sequence ${last.through}, the ledger ends at ${sequence}`);
      throw new BrokerError("NOT_SERVING", "the ledger is behind what the stream on the bus has");
    }
    const isBegun = first?.kind === "snapshot" && first.part === 1;
    if (!isBegun || last === undefined || (last.kind === "snapshot" && last.part < last.parts)) return undefined;
    const since = places.last - places.first + 1 - first.parts;
    const found = { epoch, through: last.through, firstPlace: places.first, lastPlace: places.last, since };
    // Listeners may have heard of a message that the stream has lost. What is told now covers it, even if it denies nothing any more.
    const { through } = await listNow();
    if (found.through < through) await tellSince(found, true);
    return found;
  }

  function ownMessage(kept: KeptMessage | undefined, epoch: string): TimedFeedMessage | undefined {
    if (kept === undefined) return undefined;
    const document = parseBundleJson(JSON.stringify(plainJwks(ports.authorities.all(), "events")), "events");
    const keys = verificationKeysOf(tokenKeysIn(document, "sig", "events"));
    try {
      const message = verifyFeedMessage(kept.text, { keys, issuer });
      return message.epoch === epoch ? message : undefined;
    } catch (thrown) {
      if (thrown instanceof VerificationError) return undefined;
      throw thrown;
    }
  }

  async function begun(epoch: string): Promise<Told> {
    const { through } = await listNow();
    const { last: lastPlace } = await bus.places();
    const made: Told = { epoch, through, firstPlace: 0, lastPlace, since: 0 };
    await tellWhole(made, () => Promise.resolve());
    return made;
  }

  async function append(to: Told, message: FeedMessage & { readonly kind: "denied" | "snapshot" }): Promise<void> {
    const text = await ports.sign({ issuer, atMs: Math.floor(clock.now() / 1_000), ...message });
    to.lastPlace = await bus.append(message.kind, text, to.lastPlace);
  }

  /** @param always - also where nothing was denied: the sequence has moved. */
  async function tellSince(to: Told, always = false): Promise<void> {
    const { epoch } = to;
    const { denials, through } = await listNow();
    const missing = denials.slice(denials.findLastIndex(({ sequence }) => sequence <= to.through) + 1);
    if (missing.length === 0 && !always) return;
    let at = 0;
    do {
      const rest = missing[at + DENIALS_PER_MESSAGE];
      // A sequence is through once all of it was told.
      const next = Math.max(to.through, rest === undefined ? through : rest.sequence - 1);
      const part = missing.slice(at, at + DENIALS_PER_MESSAGE);
      await append(to, { kind: "denied", epoch, from: to.through, through: next, denials: bytesOf(part) });
      to.through = next;
      to.since += 1;
      at += DENIALS_PER_MESSAGE;
    } while (at < missing.length);
  }

  /**
   * Tells all that is in force as of what was told, and lets go of what came before that.
   *
   * @param meanwhile - called between two parts, so that who listens does not wait for those who will begin.
   */
  async function tellWhole(to: Told, meanwhile: () => Promise<void>): Promise<void> {
    const { epoch, through } = to;
    const all = (await listNow()).denials.filter(({ sequence }) => sequence <= through);
    const parts = Math.max(1, Math.ceil(all.length / DENIALS_PER_MESSAGE));
    let firstPlace = 0;
    for (let part = 1; part <= parts; part += 1) {
      const denials = bytesOf(all.slice((part - 1) * DENIALS_PER_MESSAGE, part * DENIALS_PER_MESSAGE));
      await append(to, { kind: "snapshot", epoch, through, part, parts, denials });
      if (part === 1) firstPlace = to.lastPlace;
      if (part < parts) await meanwhile();
    }
    await bus.dropBefore(firstPlace);
    to.firstPlace = firstPlace;
    to.since = to.lastPlace - firstPlace + 1 - parts;
  }

  return {
    async tellNew() {
      const to = await current();
      await tellSince(to);
      if (to.since > MESSAGES_SINCE_MAX) await tellWhole(to, () => tellSince(to));
      return { epoch: to.epoch, through: to.through };
    },
    async look() {
      if (told === undefined) return;
      const { first, last } = await bus.places();
      if (first !== told.firstPlace || last !== told.lastPlace) told = undefined;
    },
    forget() {
      told = undefined;
    },
    through: () => told?.through,
  };
}

/** Encodings side by side are the encoding of all of them. */
function bytesOf(denials: readonly KeptDenial<Uint8Array>[]): Uint8Array {
  return Buffer.concat(denials.map(({ form }) => form));
}
