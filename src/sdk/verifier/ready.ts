import { statSync } from "node:fs";
import process from "node:process";
import { BrokerError, type ErrorCode, invalidField } from "../../domain/errors.ts";
import { socketPathOf } from "../../wire/channel.ts";
import type { VerifierClock } from "./clock.ts";
import type { FeedFailure } from "./feed-client.ts";

/** Longer than a start takes where all is well, and shorter than anybody's patience. */
const WARN_AFTER_MS = 1_000;

export type ReadyOptions = {
  readonly signal?: AbortSignal;
  /** How long to wait at most; absent: without end. */
  readonly timeoutMs?: number;
};

/** What a verifier says of itself to whoever waits for it. */
export type Readiness = {
  readonly endpoint: string;
  readonly clock: VerifierClock;
  /** Whoever waits is called whenever something has changed. */
  readonly waiting: Set<() => void>;
  state(): "ready" | "closed" | "waiting";
  /** What ended the last stream, until another has brought something. */
  failure(): FeedFailure | undefined;
  isConnected(): boolean;
};

/**
 * Waits until the verifier is ready. What may mend itself is waited for, with a warning after a second that says what it is;
 * what only a change of settings mends is not.
 *
 * @throws BrokerError AUDIENCE_INVALID or INVALID_FIELD as the broker says it, INVALID_FIELD for an endpoint that is no
 *   socket, NOT_SERVING when closed or past `timeoutMs`; and the signal's reason
 */
export async function waitUntilReady(readiness: Readiness, { signal, timeoutMs }: ReadyOptions): Promise<void> {
  if (timeoutMs !== undefined && !(timeoutMs > 0)) throw invalidField("timeoutMs", "more than 0");
  const { clock, waiting } = readiness;
  let rouse = Promise.withResolvers<void>();
  let isLate = false;
  const wake = () => rouse.resolve();
  const cancelWarning = clock.schedule(WARN_AFTER_MS, () => {
    process.emitWarning(`the verifier waits for ${awaited(readiness)}`, { type: "StintWarning" });
  });
  const cancelTimeout =
    timeoutMs === undefined
      ? () => undefined
      : clock.schedule(timeoutMs, () => {
          isLate = true;
          wake();
        });
  waiting.add(wake);
  signal?.addEventListener("abort", wake);
  try {
    for (;;) {
      rouse = Promise.withResolvers<void>();
      signal?.throwIfAborted();
      const state = readiness.state();
      if (state === "closed") throw new BrokerError("NOT_SERVING", "the verifier is closed");
      if (state === "ready") return;
      const lasting = lastingFault(readiness);
      if (lasting !== undefined) throw lasting;
      if (isLate) throw late(timeoutMs, awaited(readiness));
      await rouse.promise;
    }
  } finally {
    waiting.delete(wake);
    signal?.removeEventListener("abort", wake);
    cancelWarning();
    cancelTimeout();
  }
}

function late(timeoutMs: number | undefined, what: string): BrokerError {
  return new BrokerError("NOT_SERVING", `the verifier is not ready after ${timeoutMs} ms: it waits for ${what}`);
}

/** What would be the same however long one waits. */
function lastingFault(readiness: Readiness): BrokerError | undefined {
  const failure = readiness.failure();
  if (failure === undefined) return undefined;
  const { reason, message, metadata, unreachable } = failure;
  // A cursor that the broker does not know is given up by itself.
  const isCursor = metadata["field"]?.endsWith("cursor") === true;
  if (reason === "AUDIENCE_INVALID" || (reason === "INVALID_FIELD" && !isCursor)) {
    return new BrokerError(reason, message, { metadata });
  }
  return unreachable && whatIsAt(readiness.endpoint) === "something else"
    ? invalidField("endpoint", "a socket; what is at this path is none")
    : undefined;
}

/** For people: what has to happen, and what was heard last. */
function awaited(readiness: Readiness): string {
  const failure = readiness.failure();
  if (failure !== undefined) return `${mending(readiness.endpoint, failure)} (${failure.text})`;
  return readiness.isConnected()
    ? "revocations, keys and the time of the broker, which has answered"
    : `an answer of the broker at ${socketPathOf(readiness.endpoint)}`;
}

function mending(endpoint: string, { reason, unreachable }: FeedFailure): string {
  if (reason !== undefined) return AWAITED[reason] ?? "a broker that serves";
  if (!unreachable) return "a broker that serves";
  const where = whatIsAt(endpoint) === "nothing" ? "where there is nothing" : "where none answers this user";
  return `a broker at ${socketPathOf(endpoint)}, ${where}`;
}

/** Entries may come later. */
const AWAITED: { readonly [Reason in ErrorCode]?: string } = {
  NO_IDENTITY: "a verifier's entry that matches this process",
  NOT_ENTITLED: "a verifier's entry that matches this process",
};

function whatIsAt(endpoint: string): "a socket" | "something else" | "nothing" {
  try {
    const found = statSync(socketPathOf(endpoint), { throwIfNoEntry: false });
    if (found === undefined) return "nothing";
    return found.isSocket() ? "a socket" : "something else";
  } catch {
    // A folder on the way is closed to this user; for all one knows it holds a socket.
    return "a socket";
  }
}
