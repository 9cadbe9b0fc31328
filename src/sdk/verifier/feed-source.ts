import { statSync } from "node:fs";
import { BrokerError, type ErrorCode, invalidField } from "../../domain/errors.ts";
import { socketPathOf } from "../../wire/channel.ts";
import { instantOf, type VerifierClock } from "./clock.ts";
import { createDenialSignals } from "./denial-signals.ts";
import { type FeedFailure, startFeedClient } from "./feed-client.ts";
import { type Applied, createFeedState } from "./feed-state.ts";
import { clockOffsetMs, stalenessMs, unfitness } from "./freshness.ts";
import type { ReceiptKey } from "./receipt-key.ts";
import type { RevocationSource, SourceEvents } from "./revocation-source.ts";
import { denyKeysOf, refusalOf } from "./verified-step.ts";

export type FeedSourceOptions = SourceEvents & {
  /** The workload endpoint's socket. */
  readonly endpoint: string;
  readonly audiences: readonly string[];
  /** The loosest bound in use. */
  readonly loosestMs: number;
  readonly clock: VerifierClock;
  readonly receiptKey: ReceiptKey | undefined;
};

/** The broker's feed: it tells of every end within milliseconds, and has all that it has told at hand. */
export function feedSource(options: FeedSourceOptions): RevocationSource {
  const { endpoint, clock, loosestMs, onChange } = options;
  const state = createFeedState();
  const signals = createDenialSignals();
  const unfit = (boundMs: number) => unfitness(state.confirmation, instantOf(clock), boundMs);
  /** What ended the last stream, until another has brought something. */
  let failure: FeedFailure | undefined;

  const feed = startFeedClient({
    ...{ endpoint, clock, state, onApplied },
    audiences: options.audiences,
    maxStalenessSeconds: loosestMs / 1_000,
    receiptKey: options.receiptKey,
    onFailed(failed) {
      failure = failed;
      onChange();
    },
  });

  function onApplied(applied: Applied): void {
    failure = undefined;
    for (const key of applied.denied) {
      const entry = state.denyList.find([key]);
      if (entry !== undefined) signals.abort(key, refusalOf(entry));
    }
    if (unfit(loosestMs) === undefined) onChange();
  }

  return {
    bundles: state.bundles,
    outlastsTokens: true,
    unfitness: unfit,
    checkNotEnded(verified) {
      const entry = state.denyList.find(denyKeysOf(verified));
      if (entry !== undefined) throw refusalOf(entry);
    },
    signalFor(verified) {
      const keys = denyKeysOf(verified);
      const entry = state.denyList.find(keys);
      return signals.watch(keys, entry === undefined ? undefined : refusalOf(entry));
    },
    status(boundMs) {
      const now = instantOf(clock);
      const { confirmation } = state;
      return {
        ...feed.status(),
        refusal: unfit(boundMs),
        stalenessSeconds: confirmation === undefined ? undefined : stalenessMs(confirmation, now) / 1_000,
        clockOffsetSeconds: confirmation === undefined ? undefined : clockOffsetMs(confirmation, now) / 1_000,
        denied: state.denyList.size,
      };
    },
    lastingFault: () => (failure === undefined ? undefined : lastingFaultOf(endpoint, failure)),
    awaited() {
      if (failure !== undefined) return `${mending(endpoint, failure)} (${failure.text})`;
      return feed.status().connected
        ? "revocations, keys and the time of the broker, which has answered"
        : `an answer of the broker at ${socketPathOf(endpoint)}`;
    },
    close: feed.close,
  };
}

/** What would be the same however long one waits. */
function lastingFaultOf(
  endpoint: string,
  { reason, message, metadata, unreachable }: FeedFailure,
): BrokerError | undefined {
  // A cursor that the broker does not know is given up by itself.
  const isCursor = metadata["field"]?.endsWith("cursor") === true;
  if (reason === "AUDIENCE_INVALID" || (reason === "INVALID_FIELD" && !isCursor)) {
    return new BrokerError(reason, message, { metadata });
  }
  return unreachable && whatIsAt(endpoint) === "something else"
    ? invalidField("endpoint", "a socket; what is at this path is none")
    : undefined;
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
