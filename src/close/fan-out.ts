import { plainJwks, spiffeBundle } from "../domain/bundle.ts";
import { BrokerError } from "../domain/errors.ts";
import { type FeedMessageFacts, feedKeysDigest } from "../domain/feed-message.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { AuthorityDirectory } from "../ports/directories.ts";
import type { Signer } from "../ports/signer.ts";
import { createFeedStream, type FeedStreamPorts } from "./feed-stream.ts";
import type { Notifier } from "./notify.ts";

export type FanOutPorts = Omit<FeedStreamPorts, "sign"> & {
  readonly notifier: Pick<Notifier, "subscribe" | "caughtUp">;
  readonly authorities: Pick<AuthorityDirectory, "active" | "all">;
  readonly signer: Pick<Signer, "signFeedMessage">;
  readonly clock: Clock;
  /** As of the opened ledger: what other brokers have recorded is told too. */
  readonly confirmed: () => Promise<void>;
  /** Whether a broker that shares the ledger tells it; absent: there is none. */
  readonly isElsewhere?: () => boolean;
  /** Whether the ledger may lack what was revoked: then nobody is told that they have heard all. */
  readonly ledgerIsDoubted: () => boolean;
  /** Told of each attempt that failed, which is made again. */
  readonly delayed: (why: string) => void;
  readonly failed: (error: unknown) => void;
};

/** How the telling goes. */
export type FanOutStatus = {
  /** Through which all denials are kept by the stream; `undefined` while that is not known. */
  readonly sequence: number | undefined;
  /** Since the last heartbeat; before the first, since the telling began. */
  readonly heartbeatAgeSeconds: number;
  /** Since the start. */
  readonly failures: number;
};

export type FanOut = {
  status(): FanOutStatus;
  /** For people: that verifiers refuse, if so. */
  warning(): string | undefined;
  stop(): Promise<void>;
};

/** A verifier that hears one late by a second still has most of its bound. */
const HEARTBEAT_MS = 1_000;
/** With the skew of clocks, by then a verifier with the usual bound refuses. */
const LATE_SECONDS = 10;
/** Heartbeats between two looks at whether the stream still has what it was given. */
const BEATS_PER_LOOK = 5;

/**
 * Tells the deny-list on a message bus, signed, in the ledger's order and at least once, and each second that all of it was told. The
 * outbox is the ledger: where the stream ends says what is still to be told. Nothing waits for the bus.
 */
export function keepFanOut(ports: FanOutPorts): FanOut {
  const { clock, bus, authorities, isElsewhere = () => false } = ports;
  const stream = createFeedStream({ ...ports, sign });
  /** One piece of work after another: messages are told in order. */
  let turn: Promise<void> = Promise.resolve();
  let isTurnDue = false;
  let retryAtMs = Number.NEGATIVE_INFINITY;
  let beats = 0;
  let beatAtMs = clock.monotonicMs();
  let failures = 0;
  let isOver = false;
  let cancel: Cancel = () => undefined;

  async function sign(facts: FeedMessageFacts): Promise<string> {
    const authority = authorities.active("events");
    if (authority === undefined) throw new BrokerError("AUTHORITY_UNAVAILABLE", "no authority for events is active");
    return ports.signer.signFeedMessage(authority.authorityId, facts);
  }

  /** What can't be done is left: each heartbeat makes up for it first. */
  function inTurn(work: () => Promise<unknown>): Promise<void> {
    turn = turn.then(async () => {
      isTurnDue = false;
      if (isOver || clock.monotonicMs() < retryAtMs) return;
      await work().catch(fail);
    });
    return turn;
  }

  function fail(thrown: unknown): void {
    if (isOver) return;
    // What became of a message that was not acknowledged, the stream says.
    stream.forget();
    failures += 1;
    retryAtMs = clock.monotonicMs() + HEARTBEAT_MS / 2;
    if (thrown instanceof BrokerError) ports.delayed(thrown.message);
    else ports.failed(thrown);
  }

  const { unsubscribe } = ports.notifier.subscribe(() => {
    // What is denied while a message is under way goes into the next.
    if (isTurnDue || isElsewhere()) return;
    isTurnDue = true;
    void inTurn(async () => {
      // Another broker may have told more than is known here yet.
      await ports.confirmed();
      await stream.tellNew();
    });
  });

  async function beat(): Promise<void> {
    if (isElsewhere()) {
      // Where the stream ends is looked at again when the turn is this broker's.
      stream.forget();
      beatAtMs = clock.monotonicMs();
      return;
    }
    const at = clock.now();
    // All that was recorded by now, at whatever broker, is told before the heartbeat that says so.
    await ports.confirmed();
    await ports.notifier.caughtUp();
    await inTurn(async () => {
      beats += 1;
      if (beats % BEATS_PER_LOOK === 0) await stream.look();
      const told = await stream.tellNew();
      if (ports.ledgerIsDoubted()) return;
      // Rounded down: never later than what it says.
      const atMs = Math.floor(at / 1_000);
      bus.tell(await sign({ issuer: ports.issuer, kind: "heartbeat", atMs, ...told, keys: keysDigest() }));
      beatAtMs = clock.monotonicMs();
    });
  }

  function keysDigest(): string {
    const all = authorities.all();
    return feedKeysDigest({ bundle: spiffeBundle(all, 0, 0).keys, events: plainJwks(all, "events").keys });
  }

  function beatLater(): void {
    if (isOver) return;
    const startedAtMs = clock.monotonicMs();
    beat()
      .catch(fail)
      .finally(() => {
        const leftMs = HEARTBEAT_MS - (clock.monotonicMs() - startedAtMs);
        if (!isOver) cancel = clock.schedule(Math.max(0, leftMs), beatLater);
      });
  }

  const ageSeconds = () => (clock.monotonicMs() - beatAtMs) / 1_000;

  beatLater();
  return {
    status: () => ({ sequence: stream.through(), heartbeatAgeSeconds: ageSeconds(), failures }),
    warning() {
      if (ageSeconds() <= LATE_SECONDS) return undefined;
      return `verifiers on NATS refuse: nothing was told there for ${ageSeconds().toFixed(0)} s`;
    },
    async stop() {
      isOver = true;
      cancel();
      unsubscribe();
      await bus.close();
    },
  };
}
