import process from "node:process";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import type { VerifierClock } from "./clock.ts";

/** Longer than a start takes where all is well, and shorter than anybody's patience. */
const WARN_AFTER_MS = 1_000;

export type ReadyOptions = {
  readonly signal?: AbortSignal;
  /** How long to wait at most; absent: without end. */
  readonly timeoutMs?: number;
};

/** What a verifier says of itself to whoever waits for it. */
export type Readiness = {
  /** Where it hears of revocations; see `RevocationSource`. */
  readonly source: { lastingFault(): BrokerError | undefined; awaited(): string };
  readonly clock: VerifierClock;
  /** Whoever waits is called whenever something has changed. */
  readonly waiting: Set<() => void>;
  state(): "ready" | "closed" | "waiting";
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
  const { clock, waiting, source } = readiness;
  let rouse = Promise.withResolvers<void>();
  let isLate = false;
  const wake = () => rouse.resolve();
  const cancelWarning = clock.schedule(WARN_AFTER_MS, () => {
    process.emitWarning(`the verifier waits for ${source.awaited()}`, { type: "StintWarning" });
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
      const lasting = source.lastingFault();
      if (lasting !== undefined) throw lasting;
      if (isLate) throw late(timeoutMs, source.awaited());
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
