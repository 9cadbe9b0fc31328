import { setTimeout as sleep } from "node:timers/promises";
import { Credentials } from "../../gen/stint/v1/credentials_pb.js";
import { Steps } from "../../gen/stint/v1/steps_pb.js";
import { CallError } from "../../wire/call-error.ts";
import { openChannel } from "../../wire/channel.ts";
import { type CallOptions, type ClientOf, createClient } from "../../wire/client.ts";
import type { AttestationOptions } from "./attestation-options.ts";
import { attestedRuntimeSvid } from "./attested-svid.ts";
import { backoff } from "./backoff.ts";
import { keepConnection } from "./kept-connection.ts";
import type { RuntimeSvid } from "./newest-svid.ts";
import { followRuntimeSvid } from "./runtime-svid.ts";
import { StintError, stintErrorOf } from "./stint-error.ts";
import { type Traceparent, tracedCalls } from "./traced-calls.ts";

/** Where SPIFFE says the endpoint is found when nobody says otherwise. */
const ENDPOINT_VARIABLE = "SPIFFE_ENDPOINT_SOCKET";
const BROKER_VARIABLE = "SPIFFE_BROKER_SOCKET";
/** Longer than any fsync or restart that a step should wait for; past it the caller knows better than we do. */
const CALL_MS_MAX = 10_000;

/** The broker, as the runtime of a step sees it. */
export type Broker = {
  readonly steps: ClientOf<typeof Steps>;
  readonly credentials: ClientOf<typeof Credentials>;
  /** Ends the connection and all that is under way on it. */
  close(): void;
};

/**
 * Connects on the first call; with a broker endpoint to that, by the X.509-SVID that the workload endpoint or the
 * attestation endpoint gives.
 *
 * @param endpoint - `unix:///run/stint/workload.sock`; absent: what `SPIFFE_ENDPOINT_SOCKET` says.
 * @param brokerEndpoint - `tcp://host:port` or `unix:///path`; absent: what `SPIFFE_BROKER_SOCKET` says, if anything.
 * @param attestation - how to get an X.509-SVID where there is no workload endpoint, which is then not needed.
 * @param traceparent - is asked before each call.
 * @throws StintError NO_ENDPOINT, or INVALID_FIELD for one that is none
 * @see SPIFFE Workload Endpoint section 4, SPIFFE Broker Endpoint section 4
 */
export function connectBroker(
  endpoint: string | undefined,
  brokerEndpoint?: string,
  attestation?: AttestationOptions,
  traceparent?: Traceparent,
): Broker {
  const { steps, credentials, close } = connected(endpoint, brokerEndpoint, attestation);
  return {
    steps: tracedCalls(Steps, steps, traceparent),
    credentials: tracedCalls(Credentials, credentials, traceparent),
    close,
  };
}

function connected(
  endpoint: string | undefined,
  brokerEndpoint: string | undefined,
  attestation: AttestationOptions | undefined,
): Broker {
  const secured = brokerEndpoint ?? process.env[BROKER_VARIABLE] ?? "";
  if (attestation !== undefined) {
    if (secured !== "") return connectWithSvid(attestedRuntimeSvid(attestation, secured), secured);
    throw new StintError("NO_ENDPOINT", `attestation needs a brokerEndpoint, and ${BROKER_VARIABLE} is not set`);
  }
  const named = endpoint ?? process.env[ENDPOINT_VARIABLE] ?? "";
  if (named === "") throw new StintError("NO_ENDPOINT", `no endpoint was given, and ${ENDPOINT_VARIABLE} is not set`);
  try {
    if (secured !== "") return connectWithSvid(followRuntimeSvid(named), secured);
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

function connectWithSvid(identity: RuntimeSvid, brokerEndpoint: string): Broker {
  const connection = keepConnection(brokerEndpoint, identity);
  return {
    steps: connection.clientOf(Steps),
    credentials: connection.clientOf(Credentials),
    close() {
      connection.close();
      identity.close();
    },
  };
}

/**
 * Calls, and calls again with growing pauses while the answer is "not now": nobody answered, the broker can't now, or what it
 * decided on changed before it could record anything. For `CALL_MS_MAX`, and then gives the last refusal. Only for requests that may be repeated:
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
  let told: StintError | undefined;
  for (let pauses = backoff(); ; ) {
    try {
      return await ask({ signal, deadlineMs: endsAt - performance.now() });
    } catch (thrown) {
      signal?.throwIfAborted();
      // That the time for the last attempt was short says less than what the one before it met.
      const error = isOutOfTime(thrown) ? (told ?? stintErrorOf(thrown)) : stintErrorOf(thrown);
      told = error;
      const pauseMs = pauses.next();
      if (!error.retryable || options.once === true || performance.now() + pauseMs >= endsAt) throw error;
      // An aborted sleep rejects with an error of its own; what counts is why it was aborted.
      await sleep(pauseMs, undefined, { signal }).catch(() => signal?.throwIfAborted());
    }
  }
}

function isOutOfTime(thrown: unknown): boolean {
  return thrown instanceof CallError && thrown.unreachable && thrown.codeName === "DEADLINE_EXCEEDED";
}
