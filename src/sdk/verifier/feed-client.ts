import { randomBytes } from "node:crypto";
import { BrokerError, type ErrorCode, type ErrorMetadata } from "../../domain/errors.ts";
import { Revocations } from "../../gen/stint/v1/revocations_pb.js";
import { callErrorOf } from "../../wire/call-error.ts";
import { openChannel } from "../../wire/channel.ts";
import { createClient } from "../../wire/client.ts";
import { durationOfSeconds } from "../../wire/timestamps.ts";
import { instantOf, type VerifierClock } from "./clock.ts";
import type { Applied, FeedState } from "./feed-state.ts";
import { type ReceiptKey, signatureFor } from "./receipt-key.ts";

/** How often the feed's freshness is renewed. */
const PING_INTERVAL_MS = 1_000;
/** A broker that leaves a ping unanswered for this long hangs; a new connection may find one that does not. */
const PONG_TIMEOUT_MS = 10_000;
/** Small beside the strictest bound of staleness, and spread so that a restarted broker is not met by all at once. */
const RECONNECT_MS_MIN = 100;
const RECONNECT_MS_MAX = 2_000;
const NONCE_BYTES = 16;

/** What ended a stream. */
export type FeedFailure = {
  /** The broker's, where it gave one. */
  readonly reason: ErrorCode | undefined;
  readonly message: string;
  readonly metadata: ErrorMetadata;
  /** Whether nobody answered. */
  readonly unreachable: boolean;
  /** All of it in a few words. */
  readonly text: string;
};

export type FeedClientOptions = {
  /** The workload endpoint's socket. */
  readonly endpoint: string;
  readonly audiences: readonly string[];
  /** The loosest bound in use: what the broker reckons with when it waits for receipts. */
  readonly maxStalenessSeconds: number;
  readonly clock: VerifierClock;
  readonly state: FeedState;
  /** Absent: acknowledgements are not signed. */
  readonly receiptKey?: ReceiptKey | undefined;
  /** Called for each message that was applied, before it is acknowledged. */
  readonly onApplied: (applied: Applied) => void;
  /** Called when a stream has ended, before the next begins. */
  readonly onFailed: (failure: FeedFailure) => void;
};

export type FeedClient = {
  /** `connected`: the broker has answered on the present stream. `lastError`: what ended the last, in a few words. */
  status(): { readonly connected: boolean; readonly lastError: string | undefined };
  close(): void;
};

/**
 * Keeps a watch open: connects, resumes, pings, acknowledges; and decides nothing, which is the state's. Only `close`
 * ends it: a verifier without its feed refuses by itself, and should come back by itself.
 *
 * @throws BrokerError INVALID_FIELD for an endpoint that is no unix socket
 */
export function startFeedClient(options: FeedClientOptions): FeedClient {
  const { clock, state } = options;
  const channel = openChannel(options.endpoint);
  const revocations = createClient(Revocations, channel);
  let call: { cancel(): void } | undefined;
  let cancelTimer: () => void = () => undefined;
  let failures = 0;
  let connected = false;
  let lastError: string | undefined;
  let closed = false;

  async function watchOnce(): Promise<void> {
    state.restart();
    const watch = revocations.watch();
    call = watch;
    watch.send({
      message: {
        case: "hello",
        value: {
          cursor: state.cursor,
          audiences: [...options.audiences],
          maxStaleness: durationOfSeconds(Math.ceil(options.maxStalenessSeconds)),
          signsReceipts: options.receiptKey !== undefined,
        },
      },
    });
    let unanswered = false;
    const ping = () => {
      const now = instantOf(clock);
      const since = state.waitingSince();
      unanswered = since !== undefined && now.monotonicMs - since.monotonicMs > PONG_TIMEOUT_MS;
      if (unanswered) return watch.cancel();
      const nonce = randomBytes(NONCE_BYTES);
      state.pinged(nonce, now);
      watch.send({ message: { case: "ping", value: { nonce } } });
      cancelTimer = clock.schedule(PING_INTERVAL_MS, ping);
    };
    ping();

    for await (const response of watch.responses) {
      const applied = state.apply(response, instantOf(clock));
      connected = true;
      if (applied.confirmed) failures = 0;
      options.onApplied(applied);
      const { acknowledge: cursor, signable } = applied;
      if (cursor === undefined) continue;
      const signature = signatureFor(signable, instantOf(clock), options.receiptKey);
      watch.send({ message: { case: "acknowledge", value: { cursor, ...(signature && { signature }) } } });
    }
    throw new BrokerError("NOT_SERVING", unanswered ? "the broker left pings unanswered" : "the broker ended the feed");
  }

  async function watchForever(): Promise<void> {
    while (!closed) {
      try {
        await watchOnce();
      } catch (thrown) {
        const failure = failureOf(thrown);
        lastError = failure.text;
        // A broker whose keys are new does not know its predecessor's cursors, and would refuse this one for ever.
        const { reason, metadata } = failure;
        if (reason === "INVALID_FIELD" && metadata["field"]?.endsWith("cursor") === true) state.forgetCursor();
        connected = false;
        if (!closed) options.onFailed(failure);
      }
      cancelTimer();
      if (!closed) await pause();
    }
  }

  function pause(): Promise<void> {
    const delayMs = Math.min(RECONNECT_MS_MAX, RECONNECT_MS_MIN * 2 ** failures) * (0.5 + Math.random() / 2);
    failures += 1;
    const { promise, resolve } = Promise.withResolvers<void>();
    cancelTimer = clock.schedule(delayMs, resolve);
    return promise;
  }

  void watchForever();
  return {
    status: () => ({ connected, lastError }),
    close() {
      closed = true;
      cancelTimer();
      call?.cancel();
      channel.close();
    },
  };
}

function failureOf(thrown: unknown): FeedFailure {
  // Of ours, about what the broker has sent: it has refused nothing.
  if (thrown instanceof BrokerError) {
    const { code, message } = thrown;
    return { reason: undefined, message, metadata: {}, unreachable: false, text: `${code}: ${message}` };
  }
  const { codeName, reason, message, metadata, unreachable, isUnknownMethod } = callErrorOf(thrown);
  const text = reason === undefined && !isUnknownMethod ? codeName : `${reason ?? codeName}: ${message}`;
  return { reason, message, metadata, unreachable, text };
}
