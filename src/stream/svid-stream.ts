import { isPublished } from "../domain/authority.ts";
import { type BrokerError, type Denial, denialFrom, type ErrorCode, isDenial } from "../domain/errors.ts";
import type { Delivery } from "../domain/stages.ts";
import { addMicros, microsOf, type UnixMicros } from "../domain/time.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { AuthorityDirectory } from "../ports/directories.ts";
import type { KeyPair, KeyPairs } from "../ports/key-pairs.ts";
import type { Randomness } from "../ports/randomness.ts";
import { nothingLeft } from "./nothing-left.ts";
import { identityIdOf, type SvidIdentity } from "./svid-identity.ts";

/** Which identities a subscriber has, and how SVIDs of them are issued to it. */
export type SvidSource = {
  /**
   * The identities that the subscriber has now, in their order: the first is its default.
   *
   * @throws BrokerError when the subscriber is nobody, or has more identities than it can be given
   */
  identities(): Promise<readonly SvidIdentity[]>;
  /** Issues an SVID for each wanted identity, all recorded in one append; one answer for each, in their order. */
  issue(wanted: readonly WantedSvid[]): Promise<readonly (Delivery | Denial)[]>;
  /** Calls after anything that may change the answer of `identities`; ends with the returned function. */
  follow(changed: () => void): Cancel;
  /** The error for a subscriber that has nothing any more. Absent: the error says that it has no identity. */
  readonly nothingLeft?: () => BrokerError;
};

export type WantedSvid = {
  readonly identity: SvidIdentity;
  /** SubjectPublicKeyInfo, DER, of a key made for this SVID alone. */
  readonly publicKey: Uint8Array;
};

export type StreamedSvid = {
  readonly identity: SvidIdentity;
  readonly delivery: Delivery;
  readonly key: KeyPair;
};

/** Where a stream goes. */
export type SvidSink = {
  /** All SVIDs that the subscriber has from now on, at least one; the subscriber drops any others. */
  deliver(svids: readonly StreamedSvid[]): void;
  /** The stream ends, with this error. Called at most once, and nothing is called afterwards. */
  end(thrown: unknown): void;
};

export type SvidStream = {
  /** Delivers once more, since the authorities that the subscriber verifies by have changed. */
  refresh(): void;
  /** Ends the stream, and forgets every key. */
  stop(): void;
};

export type SvidStreamPorts = {
  readonly clock: Clock;
  readonly random: Randomness;
  readonly keyPairs: KeyPairs;
  readonly authorities: AuthorityDirectory;
};

type Held = StreamedSvid & { readonly renewAt: UnixMicros };

/** An SVID is renewed at half of its life, give or take this share, so that not all subscribers come at once. */
const RENEWAL_JITTER = 0.05;
/** How long to wait after an issuance that could not be made. */
const RETRY_MICROS = 5_000_000;
/** How long to wait after a refused issuance. `follow` tells of most changes that lift a refusal, but not of all. */
const REFUSED_RETRY_MICROS = 60_000_000;
/** A step that is judged anew is judged within a moment. */
const JUDGED_RETRY_MICROS = 250_000;
/** Refusals that say nothing of the subscriber's right: the SVID that it holds is good until it expires. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  "LEDGER_UNAVAILABLE",
  "AUTHORITY_UNAVAILABLE",
  "NOT_SERVING",
  "LIMIT_EXCEEDED",
  "STEP_EXPIRING",
  "DECISION_OUTDATED",
]);

/**
 * Keeps a subscriber supplied: delivers all its SVIDs, at once and after each change, and renews them.
 *
 * An SVID is repeated in each delivery for as long as it is good; its key is kept nowhere but here. An SVID that the
 * subscriber lost is gone from the next delivery, which does not wait for SVIDs that are yet to be issued. Changes
 * within one turn of the event loop are one delivery.
 *
 * @see SPIFFE Workload API sections 4.3 and 4.4
 */
export function openSvidStream(source: SvidSource, sink: SvidSink, ports: SvidStreamPorts): SvidStream {
  const { clock } = ports;
  const held = new Map<string, Held>();
  /** When to ask again for an SVID that could not be issued, by identity. */
  const retryAt = new Map<string, UnixMicros>();
  let isAsked = false;
  let isRunning = false;
  let isOver = false;
  /** Whether the last delivery differs from what the subscriber has now. */
  let isOutdated = true;
  let cancelTimer: Cancel = () => undefined;

  function stop(): void {
    isOver = true;
    cancelTimer();
    unfollow();
    held.clear();
  }

  function ask(): void {
    isAsked = true;
    if (isRunning || isOver) return;
    isRunning = true;
    void run();
  }

  async function run(): Promise<void> {
    try {
      while (isAsked && !isOver) {
        await nextTurn();
        isAsked = false;
        if (!isOver) await bringUpToDate();
      }
    } catch (thrown) {
      if (!isOver) {
        stop();
        sink.end(thrown);
      }
    } finally {
      isRunning = false;
    }
  }

  async function bringUpToDate(): Promise<void> {
    const identities = await source.identities();
    if (isOver) return;
    dropAllBut(identities);
    const now = clock.now();
    // Without an SVID to fall back on, every identity is asked for now, and else the stream ends.
    const due = identities.filter((one) => held.size === 0 || dueAt(one) <= now);
    let refused: readonly Denial[] = [];
    if (due.length > 0) {
      // The loss of an SVID is delivered without waiting for the disk.
      if (isOutdated && held.size > 0) deliver(identities);
      refused = await issue(due);
      if (isOver) return;
    }
    const isToBeJudged = refused.some(({ code }) => code === "DECISION_OUTDATED");
    if (held.size === 0 && !isToBeJudged) throw nothingLeft(refused[0], source.nothingLeft);
    if (isOutdated && held.size > 0) deliver(identities);
    scheduleNext(identities);
  }

  /** Drops SVIDs of identities that the subscriber lost, expired SVIDs, and SVIDs that no verifier would believe. */
  function dropAllBut(identities: readonly SvidIdentity[]): void {
    const ids = new Set(identities.map(identityIdOf));
    const published = new Set(
      ports.authorities
        .all()
        .filter(isPublished)
        .map(({ authorityId }) => authorityId),
    );
    const now = clock.now();
    for (const [id, { delivery }] of held) {
      const isGood = now < microsOf(delivery.expiresAt) && published.has(delivery.authority.authorityId);
      if (!ids.has(id) || !isGood) drop(id);
    }
    for (const id of retryAt.keys()) if (!ids.has(id)) retryAt.delete(id);
  }

  function drop(id: string): void {
    if (held.delete(id)) isOutdated = true;
  }

  function dueAt(identity: SvidIdentity): UnixMicros {
    const id = identityIdOf(identity);
    const renewAt = held.get(id)?.renewAt ?? (0 as UnixMicros);
    return Math.max(renewAt, retryAt.get(id) ?? 0) as UnixMicros;
  }

  /** @returns the refusals, if there were any. */
  async function issue(due: readonly SvidIdentity[]): Promise<readonly Denial[]> {
    const keys = await Promise.all(due.map(() => ports.keyPairs.generate()));
    const wanted = due.flatMap((identity, index): readonly (WantedSvid & { key: KeyPair })[] => {
      const key = keys[index];
      return key === undefined ? [] : [{ identity, publicKey: key.publicKey, key }];
    });
    const answers = await source.issue(wanted).catch((thrown: unknown) => wanted.map(() => denialFrom(thrown)));
    // One share for all, so that SVIDs that were issued together are renewed together.
    const share = 0.5 + RENEWAL_JITTER * ((2 * (ports.random.bytes(1)[0] ?? 0)) / 255 - 1);
    const refused: Denial[] = [];
    for (const [index, { identity, key }] of wanted.entries()) {
      const answer = answers[index];
      if (answer === undefined) continue;
      if (isDenial(answer)) {
        refused.push(answer);
        takeRefusal(identityIdOf(identity), answer);
      } else {
        hold({ identity, delivery: answer, key }, share);
      }
    }
    return refused;
  }

  function hold(svid: StreamedSvid, share: number): void {
    const { identity, delivery } = svid;
    const id = identityIdOf(identity);
    const now = clock.now();
    const life = microsOf(delivery.expiresAt) - now;
    // An SVID that lasts as long as its step can't be renewed for longer.
    const lastsToTheEnd = identity.kind === "step" && delivery.expiresAt >= identity.step.expiresAt;
    const renewAt = lastsToTheEnd ? Number.POSITIVE_INFINITY : now + Math.round(life * share);
    held.set(id, { ...svid, renewAt: renewAt as UnixMicros });
    retryAt.delete(id);
    isOutdated = true;
  }

  function takeRefusal(id: string, { code }: Denial): void {
    const isPassing = PASSING.has(code);
    if (!isPassing) drop(id);
    const passesIn = code === "DECISION_OUTDATED" ? JUDGED_RETRY_MICROS : RETRY_MICROS;
    retryAt.set(id, addMicros(clock.now(), isPassing ? passesIn : REFUSED_RETRY_MICROS));
  }

  function deliver(identities: readonly SvidIdentity[]): void {
    isOutdated = false;
    sink.deliver(identities.flatMap((one) => held.get(identityIdOf(one)) ?? []));
  }

  function scheduleNext(identities: readonly SvidIdentity[]): void {
    cancelTimer();
    const expiries = [...held.values()].map(({ delivery }) => microsOf(delivery.expiresAt));
    const next = Math.min(...identities.map(dueAt), ...expiries);
    cancelTimer = clock.schedule(Math.max(1, Math.ceil((next - clock.now()) / 1_000)), ask);
  }

  const unfollow = source.follow(ask);
  ask();
  return {
    refresh() {
      isOutdated = true;
      ask();
    },
    stop,
  };
}

/** Lets the rest of this turn of the event loop come first, such as openings that were committed together. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
