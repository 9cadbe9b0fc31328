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

/** Which identities a subscriber has, and how they are issued to it. */
export type SvidSource = {
  /**
   * The identities that it has now, in their order: the first is its default.
   *
   * @throws BrokerError when it is nobody, or has more than it can be given
   */
  identities(): Promise<readonly SvidIdentity[]>;
  /** Issues an SVID of each, recorded in one append; one answer for each, in their order. */
  issue(wanted: readonly WantedSvid[]): Promise<readonly (Delivery | Denial)[]>;
  /** Calls after whatever may change what `identities` gives; ends with the returned function. */
  follow(changed: () => void): Cancel;
  /** What a subscriber is told that has nothing any more; where it is not said, that it has no identity. */
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
  /** All that the subscriber has from now on, at least one; what was there before and is no more is to be dropped. */
  deliver(svids: readonly StreamedSvid[]): void;
  /** The subscriber has nothing any more. Called at most once, and nothing after it. */
  end(thrown: unknown): void;
};

export type SvidStream = {
  /** Delivers once more, the authorities of verifiers having changed. */
  refresh(): void;
  /** Forgets every key. */
  stop(): void;
};

export type SvidStreamPorts = {
  readonly clock: Clock;
  readonly random: Randomness;
  readonly keyPairs: KeyPairs;
  readonly authorities: AuthorityDirectory;
};

type Held = StreamedSvid & { readonly renewAt: UnixMicros };

/** An SVID is renewed at half of its life, give or take this much of it, so that not all subscribers come at once. */
const RENEWAL_JITTER = 0.05;
/** After an issuance that could not be made. */
const RETRY_MICROS = 5_000_000;
/** After one that was refused: what has to change first is told of, so this is only for what is not. */
const REFUSED_RETRY_MICROS = 60_000_000;
/** Refusals that say nothing of the subscriber's right: what it holds is good for as long as it lasts. */
const PASSING: ReadonlySet<ErrorCode> = new Set([
  "LEDGER_UNAVAILABLE",
  "AUTHORITY_UNAVAILABLE",
  "NOT_SERVING",
  "LIMIT_EXCEEDED",
  "STEP_EXPIRING",
]);

/**
 * Keeps a subscriber supplied: delivers everything it has, at once and after each change, and renews what it holds.
 *
 * An SVID is repeated for as long as it is good; its key is nowhere but here. What the subscriber lost is gone from the
 * next delivery, which waits for nothing that is to be issued. Changes within one turn of the event loop are one delivery.
 *
 * @see SPIFFE Workload API sections 4.3 and 4.4
 */
export function openSvidStream(source: SvidSource, sink: SvidSink, ports: SvidStreamPorts): SvidStream {
  const { clock } = ports;
  const held = new Map<string, Held>();
  /** When to ask again for what could not be issued. */
  const retryAt = new Map<string, UnixMicros>();
  let isAsked = false;
  let isRunning = false;
  let isOver = false;
  /** Whether the subscriber has been given less or other than what there is now. */
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
    // With nothing to fall back on it is asked for now or given up.
    const due = identities.filter((one) => held.size === 0 || dueAt(one) <= now);
    let refused: Denial | undefined;
    if (due.length > 0) {
      // What was lost is told of without waiting for the disk.
      if (isOutdated && held.size > 0) deliver(identities);
      refused = await issue(due);
      if (isOver) return;
    }
    if (held.size === 0) throw nothingLeft(refused, source.nothingLeft);
    if (isOutdated) deliver(identities);
    scheduleNext(identities);
  }

  /** Drops what the subscriber has no more, what is over, and what no verifier would believe. */
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

  /** @returns a refusal, where there was one. */
  async function issue(due: readonly SvidIdentity[]): Promise<Denial | undefined> {
    const keys = await Promise.all(due.map(() => ports.keyPairs.generate()));
    const wanted = due.flatMap((identity, index): readonly (WantedSvid & { key: KeyPair })[] => {
      const key = keys[index];
      return key === undefined ? [] : [{ identity, publicKey: key.publicKey, key }];
    });
    const answers = await source.issue(wanted).catch((thrown: unknown) => wanted.map(() => denialFrom(thrown)));
    // One for all, so that what was issued together is renewed together.
    const share = 0.5 + RENEWAL_JITTER * ((2 * (ports.random.bytes(1)[0] ?? 0)) / 255 - 1);
    let refused: Denial | undefined;
    for (const [index, { identity, key }] of wanted.entries()) {
      const answer = answers[index];
      if (answer === undefined) continue;
      if (isDenial(answer)) {
        refused ??= answer;
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
    // One that lasts as long as its step can't be had any longer.
    const lastsToTheEnd = identity.kind === "step" && delivery.expiresAt >= identity.step.expiresAt;
    const renewAt = lastsToTheEnd ? Number.POSITIVE_INFINITY : now + Math.round(life * share);
    held.set(id, { ...svid, renewAt: renewAt as UnixMicros });
    retryAt.delete(id);
    isOutdated = true;
  }

  function takeRefusal(id: string, { code }: Denial): void {
    const isPassing = PASSING.has(code);
    if (!isPassing) drop(id);
    retryAt.set(id, addMicros(clock.now(), isPassing ? RETRY_MICROS : REFUSED_RETRY_MICROS));
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

/** What happens within one turn of the event loop, such as the opening of steps that were committed together, comes first. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
