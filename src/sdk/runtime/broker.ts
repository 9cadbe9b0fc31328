import { setTimeout as sleep } from "node:timers/promises";
import { Credentials } from "../../gen/stint/v1/credentials_pb.js";
import { Steps } from "../../gen/stint/v1/steps_pb.js";
import { openChannel } from "../../wire/channel.ts";
import { type CallOptions, type ClientOf, createClient } from "../../wire/client.ts";
import { StintError, stintErrorOf } from "./stint-error.ts";

/** Where SPIFFE says the endpoint is found when nobody says otherwise. */
const ENDPOINT_VARIABLE = "SPIFFE_ENDPOINT_SOCKET";
/** Longer than any fsync or restart that a step should wait for; past it the caller knows better than we do. */
const CALL_MS_MAX = 10_000;
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 1_000;

/** The broker, as the runtime of a step sees it. */
export type Broker = {
  readonly steps: ClientOf<typeof Steps>;
  readonly credentials: ClientOf<typeof Credentials>;
  /** Ends the connection and all that is under way on it. */
  close(): void;
};

/**
 * Connects on the first call.
 *
 * @param endpoint - `unix:///run/stint/workload.sock`; absent: what `SPIFFE_ENDPOINT_SOCKET` says.
 * @throws StintError NO_ENDPOINT, or INVALID_FIELD for one that is no unix socket
 * @see SPIFFE Workload Endpoint section 4
 */
export function connectBroker(endpoint: string | undefined): Broker {
  const named = endpoint ?? process.env[ENDPOINT_VARIABLE] ?? "";
  if (named === "") throw new StintError("NO_ENDPOINT", `no endpoint was given, and ${ENDPOINT_VARIABLE} is not set`);
  try {
    const channel = openChannel(named);
    return {
      steps: createClient(Steps, channel),
      credentials: createClient(Credentials, channel),
      close: () => channel.close(),
    };
  } catch (thrown) {
    throw stintErrorOf(thrown);
  }
}

/**
 * Calls, and calls again with growing pauses while the answer is "not now". Only for requests that may be repeated:
 * the broker's all may, `Open` by its `request_id`.
 *
 * @param options.waitMs - on top of the usual time, for a call that is meant to wait.
 * @param options.once - a single attempt.
 * @param options.signal - stops it; its reason is then thrown.
 * @throws StintError
 */
export async function askBroker<Answer>(
  ask: (options: CallOptions) => Promise<Answer>,
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly waitMs?: number;
    readonly once?: boolean;
  } = {},
): Promise<Answer> {
  const { signal } = options;
  const endsAt = performance.now() + CALL_MS_MAX + (options.waitMs ?? 0);
  for (let pauses = backoff(); ; ) {
    try {
      return await ask({ signal, deadlineMs: endsAt - performance.now() });
    } catch (thrown) {
      signal?.throwIfAborted();
      const error = stintErrorOf(thrown);
      const pauseMs = pauses.next();
      if (!error.retryable || options.once === true || performance.now() + pauseMs >= endsAt) throw error;
      // An aborted sleep rejects with an error of its own; what counts is why it was aborted.
      await sleep(pauseMs, undefined, { signal }).catch(() => signal?.throwIfAborted());
    }
  }
}

/** Pauses that double up to a bound, each cut by up to half at random, so that many clients do not come back at once. */
export function backoff(): { next(): number; reset(): void } {
  let pauseMs = BACKOFF_MS_MIN;
  return {
    next() {
      const pause = pauseMs * (1 - Math.random() / 2);
      pauseMs = Math.min(pauseMs * 2, BACKOFF_MS_MAX);
      return pause;
    },
    reset() {
      pauseMs = BACKOFF_MS_MIN;
    },
  };
}
