import { BrokerError } from "../../domain/errors.ts";
import type { FeedSubjects } from "../../domain/feed-message.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { TrustDomain } from "../../domain/spiffe-id.ts";
import { verifyFeedMessage } from "../../verify/feed-message-token.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { type BusConnection, type BusMessage, BusUnavailable, readStream } from "./bus-connection.ts";
import { createBusState } from "./bus-state.ts";
import { instantOf, type VerifierClock } from "./clock.ts";
import { createDenialSignals } from "./denial-signals.ts";
import { ageMs, datedUnfitness } from "./freshness.ts";
import type { IssuerPlace } from "./issuer-document.ts";
import { keepIssuerKeys } from "./issuer-keys.ts";
import { createRefresh } from "./refresh.ts";
import type { RevocationSource, SourceEvents } from "./revocation-source.ts";
import { denyKeysOf, refusalOf } from "./verified-step.ts";

export type NatsSourceOptions = SourceEvents & {
  readonly issuer: string;
  readonly trustDomain: TrustDomain;
  readonly place: IssuerPlace;
  readonly connection: BusConnection;
  readonly subjects: FeedSubjects;
  readonly clock: VerifierClock;
};

/** The verifier's clock may be as much behind the broker's, and then a heartbeat is older than it seems. */
const SKEW_MS = LIMITS.clockSkewSecondsMax * 1_000;
/**
 * Heartbeats say when the keys are others, so this is for who holds back heartbeats and has a key that was withdrawn. A hundred thousand
 * verifiers ask 330 times a second.
 */
const KEYS_REFRESH_MS = 600_000;
/** Several attempts at that may fail. */
const KEYS_MS_MAX = 3 * KEYS_REFRESH_MS;
/** Whoever writes messages by keys that are not known does not make a verifier ask more often. */
const KEYS_RENEW_MS_MIN = 5_000;
/** Well within the strictest bound, together with the skew. */
const KEYS_SPREAD_MS = 3_000;
const READ_MS_MIN = 500;
const READ_MS_MAX = 30_000;

/**
 * The broker's deny-list over NATS: messages that are told to all as they come, and a stream for who begins or has missed one. Each is
 * believed by the broker's signature alone, so that the bus can hold back, which makes everything refused in time, and nothing else.
 */
export function natsSource(options: NatsSourceOptions): RevocationSource {
  const { issuer, trustDomain, place, clock, connection, subjects, onChange } = options;
  const state = createBusState();
  const signals = createDenialSignals();
  /** Where in the stream reading goes on. */
  let next = 1;
  let failure: string | undefined;

  let cancelRenewal: (() => void) | undefined;

  const keys = keepIssuerKeys({
    ...{ issuer, trustDomain, place, clock, refreshMs: KEYS_REFRESH_MS, retryMs: KEYS_RENEW_MS_MIN },
    onFetched() {
      state.holdsKeys(keys.digest);
      if (keys.sent !== undefined && state.isBehind) {
        // What was signed with a key that was not known is read again.
        next = 1;
        void reading.now();
      }
      onChange();
    },
  });

  /** Some time soon: all verifiers hear at once that there are other keys. What is known stays good for as long as any. */
  function renewKeys(): void {
    cancelRenewal ??= clock.schedule(Math.random() * KEYS_SPREAD_MS, () => {
      cancelRenewal = undefined;
      void keys.unlessWithin(KEYS_RENEW_MS_MIN);
    });
  }

  /** @returns whether it is one of the broker's */
  function take(text: string): boolean {
    try {
      const message = verifyFeedMessage(text, { keys: keys.eventKeys, issuer });
      for (const key of state.take(message, instantOf(clock))) {
        const entry = state.denyList.find([key]);
        if (entry !== undefined) signals.abort(key, refusalOf(entry));
      }
      return true;
    } catch (thrown) {
      if (!(thrown instanceof VerificationError || thrown instanceof BrokerError)) throw thrown;
      failure = thrown.message;
      if (thrown.code === "KEY_UNKNOWN") renewKeys();
      return false;
    }
  }

  function hear(error: Error | null, message: BusMessage): void {
    if (error !== null) {
      failure = `NATS does not let this verifier listen: ${error.name}`;
      return;
    }
    if (!take(message.string())) return;
    if (state.keysTold !== undefined && state.keysTold !== keys.digest) renewKeys();
    if (state.isBehind) void reading.unlessWithin(READ_MS_MIN);
    if (unfitness(SOME_MS) === undefined) {
      failure = undefined;
      onChange();
    }
  }

  async function readOn(signal: AbortSignal): Promise<boolean> {
    try {
      const from = next;
      await readToEnd(signal);
      // A stream that was made anew begins at 1 again.
      if (state.isBehind && from > 1) {
        next = 1;
        await readToEnd(signal);
      }
    } catch (thrown) {
      if (!(thrown instanceof BusUnavailable)) throw thrown;
      failure = thrown.message;
      onChange();
      return false;
    }
    onChange();
    return true;
  }

  async function readToEnd(signal: AbortSignal): Promise<void> {
    for (let more = true; more; ) {
      // Who has always more to read is no stream of the broker's, and keeps nobody busy.
      if (signal.aborted) throw new BusUnavailable(`the stream ${subjects.stream} has no end`);
      const part = await readStream(connection, subjects.stream, next);
      for (const text of part.texts) take(text);
      more = part.more && part.next > next;
      next = part.next;
    }
  }

  const reading = createRefresh(clock, { fetch: readOn, afterMs: () => undefined, withinMs: READ_MS_MAX });
  const subscriptions = [subjects.denied, subjects.heartbeat].map((subject) =>
    connection.subscribe(subject, { callback: hear }),
  );

  const unfitness: RevocationSource["unfitness"] = (boundMs) => {
    const now = instantOf(clock);
    if (keys.sent === undefined) return "NOT_READY";
    // Written as "not within", so that a clock that is not a number refuses.
    if (!(ageMs(keys.sent, now) <= KEYS_MS_MAX)) return "STALE";
    return datedUnfitness(state.confirmed, now, boundMs - SKEW_MS);
  };

  return {
    bundles: keys.bundles,
    outlastsTokens: true,
    unfitness,
    checkNotEnded(verified) {
      const entry = state.denyList.find(denyKeysOf(verified));
      if (entry !== undefined) throw refusalOf(entry);
    },
    signalFor(verified) {
      const entry = state.denyList.find(denyKeysOf(verified));
      return signals.watch(denyKeysOf(verified), entry === undefined ? undefined : refusalOf(entry));
    },
    status(boundMs) {
      const { confirmed } = state;
      const refusal = unfitness(boundMs);
      const lastError = connection.isClosed() ? CLOSED : (failure ?? keys.failure);
      return {
        connected: confirmed !== undefined && lastError === undefined,
        refusal,
        stalenessSeconds:
          confirmed === undefined ? undefined : (ageMs(confirmed.asOf, instantOf(clock)) + SKEW_MS) / 1_000,
        clockOffsetSeconds: undefined,
        denied: state.denyList.size,
        lastError,
      };
    },
    lastingFault: () => (connection.isClosed() ? new BrokerError("NOT_SERVING", CLOSED) : undefined),
    awaited() {
      const why = keys.failure ?? failure;
      return `keys of the broker at ${place.url}, and its heartbeat and deny-list on NATS${why === undefined ? "" : ` (${why})`}`;
    },
    close() {
      cancelRenewal?.();
      keys.close();
      reading.close();
      if (connection.isClosed()) return;
      for (const subscription of subscriptions) subscription.unsubscribe();
    },
  };
}

const CLOSED = "the connection to NATS is closed for good";
/** A minute, the loosest bound that there is: whether anything can be told. */
const SOME_MS = LIMITS.maxStalenessSecondsMax * 1_000;
