import { STATUS_LIST_TTL_SECONDS, statusAt, type TokenStatus, VALID } from "../../domain/status-list.ts";
import type { UnixSeconds } from "../../domain/time.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { instantOf, type VerifierClock } from "./clock.ts";
import { type DatedList, datedListOf, LIST_BYTES_MAX, listUnfitness } from "./dated-list.ts";
import { createDenialSignals, type StepSignal } from "./denial-signals.ts";
import { statusKey } from "./deny-list.ts";
import { ageMs, type Instant, type Unfitness } from "./freshness.ts";
import { DocumentUnavailable, fetchDocument, type IssuerPlace } from "./issuer-document.ts";
import type { IssuerKeys } from "./issuer-keys.ts";
import { createRefresh, type Refresh } from "./refresh.ts";

/** The status lists of one issuer that are in use. */
export type StatusLists = {
  /** Has the list of a token at hand, no older than its `ttl`, if it can be had. Never throws. */
  learn(status: TokenStatus): Promise<void>;
  /**
   * @throws VerificationError REVOKED; NOT_READY, STALE or CLOCK_SKEWED when that can't be told, with the code of what was wrong with
   *   the list as `status_list`; CLAIMS_INVALID for an index beyond the list
   */
  checkValid(status: TokenStatus, boundMs: number): void;
  /** Aborts when the token is not valid any more; its list is fetched for as long as it is watched. */
  watch(status: TokenStatus): StepSignal;
  /** Of the lists in use: the age of the oldest in milliseconds, how many tokens they refuse, why one is not to be believed at present. */
  state(
    now: Instant,
    boundMs: number,
  ): {
    readonly ageMs: number;
    readonly invalid: number;
    readonly refusal: Unfitness | undefined;
    readonly failure: string | undefined;
  };
  close(): void;
};

export type StatusListsOptions = {
  readonly issuer: string;
  readonly place: IssuerPlace;
  readonly keys: Pick<IssuerKeys, "judged">;
  readonly clock: VerifierClock;
};

type List = {
  dated: DatedList | undefined;
  /** What was wrong with the last one. */
  failure: VerificationError | DocumentUnavailable | undefined;
  askedAtMs: number;
  /** By index, how many watch it. */
  readonly watched: Map<number, number>;
  readonly refresh: Refresh;
};

/** A list that nobody has asked about for so long is not fetched any more. */
const IN_USE_MS = 60_000;
/** 16 KiB each. A broker of many processes has a few dozen at a time. */
const LISTS_MAX = 256;
const TTL_SECONDS_MIN = 1;
/** However many tokens come whose list tells nothing. */
const ASKED_ANEW_MS_MIN = 1_000;

/** Keeps the status lists of the tokens that were presented here lately. */
export function keepStatusLists({ issuer, place, keys, clock }: StatusListsOptions): StatusLists {
  const lists = new Map<string, List>();
  const signals = createDenialSignals();
  let closed = false;

  function listOf(name: string): List {
    const known = lists.get(name);
    if (known !== undefined) {
      known.askedAtMs = clock.monotonicMs();
      return known;
    }
    if (lists.size >= LISTS_MAX) forgetOne();
    const list: List = {
      ...{ dated: undefined, failure: undefined, askedAtMs: clock.monotonicMs(), watched: new Map() },
      refresh: createRefresh(clock, {
        fetch: (signal) => fetchList(name, list, signal),
        afterMs: () => dueMs(name, list),
      }),
    };
    lists.set(name, list);
    return list;
  }

  /** The one that was begun first of those that nobody watches. */
  function forgetOne(): void {
    const idle = [...lists].find(([, { watched }]) => watched.size === 0);
    if (idle !== undefined) forget(...idle);
  }

  function forget(name: string, list: List): void {
    list.refresh.close();
    lists.delete(name);
  }

  function isInUse({ watched, askedAtMs }: List): boolean {
    return watched.size > 0 || clock.monotonicMs() - askedAtMs <= IN_USE_MS;
  }

  function dueMs(name: string, list: List): number | undefined {
    if (isInUse(list)) return ttlMsOf(list);
    forget(name, list);
    return undefined;
  }

  async function fetchList(name: string, list: List, signal: AbortSignal): Promise<boolean> {
    try {
      const sent = instantOf(clock);
      const accept = "application/statuslist+jwt";
      const text = await fetchDocument(place, `/status/${name}`, { accept, bytesMax: LIST_BYTES_MAX, signal });
      const received = instantOf(clock);
      list.dated = await keys.judged((eventKeys) =>
        datedListOf(
          { text, sent, received, earlier: list.dated },
          { keys: eventKeys, issuer, list: name, now: Math.floor(received.wallMs / 1_000) as UnixSeconds },
        ),
      );
      list.failure = undefined;
    } catch (thrown) {
      if (!(thrown instanceof VerificationError || thrown instanceof DocumentUnavailable)) throw thrown;
      list.failure = thrown;
      // Of a list that cannot be had nobody asks again but with a token.
      if (!isInUse(list)) forget(name, list);
      return false;
    }
    if (!closed) tellWatchers(name, list);
    return true;
  }

  function tellWatchers(name: string, list: List): void {
    for (const index of [...list.watched.keys()]) {
      const refusal = refusalOf(list, index);
      if (refusal !== undefined) signals.abort(statusKey({ list: name, index }), refusal);
    }
  }

  function unwatch({ watched }: List, index: number): void {
    const others = (watched.get(index) ?? 0) - 1;
    if (others > 0) watched.set(index, others);
    else watched.delete(index);
  }

  return {
    async learn({ list: name }) {
      if (closed) return;
      const list = listOf(name);
      const { dated } = list;
      const isRecent = dated !== undefined && clock.monotonicMs() - dated.received.monotonicMs <= ttlMsOf(list);
      // What is known will do for a while, where a newer one can't be had.
      const isKept = dated !== undefined && list.refresh.failing;
      if (!isRecent && !isKept) await list.refresh.unlessWithin(ASKED_ANEW_MS_MIN);
    },
    checkValid({ list: name, index }, boundMs) {
      const list = listOf(name);
      const unfit = listUnfitness(list.dated, instantOf(clock), boundMs);
      if (unfit !== undefined) {
        // So that it is there when the token comes again.
        void list.refresh.unlessWithin(ASKED_ANEW_MS_MIN);
        throw unfitOf(unfit, list);
      }
      const refusal = refusalOf(list, index);
      if (refusal !== undefined) throw refusal;
    },
    watch(status) {
      const { list: name, index } = status;
      const list = listOf(name);
      const watched = signals.watch([statusKey(status)], refusalOf(list, index));
      if (watched.signal.aborted) return watched;
      list.watched.set(index, (list.watched.get(index) ?? 0) + 1);
      if (list.dated === undefined) void list.refresh.unlessWithin(ASKED_ANEW_MS_MIN);
      let isOver = false;
      return {
        signal: watched.signal,
        [Symbol.dispose]() {
          watched[Symbol.dispose]();
          if (!isOver) unwatch(list, index);
          isOver = true;
        },
      };
    },
    state(now, boundMs) {
      const known = [...lists.values()];
      const dated = known.flatMap((list) => list.dated ?? []);
      return {
        ageMs: Math.max(0, ...dated.map(({ asOf }) => ageMs(asOf, now))),
        invalid: dated.reduce((sum, { statuses }) => sum + invalidIn(statuses), 0),
        refusal: known.map((list) => listUnfitness(list.dated, now, boundMs)).find((one) => one !== undefined),
        failure: known.map(({ failure }) => failure?.message).find((one) => one !== undefined),
      };
    },
    close() {
      closed = true;
      for (const { refresh } of lists.values()) refresh.close();
    },
  };
}

/** As long as the list says, and no longer than our own say. */
function ttlMsOf({ dated }: List): number {
  const seconds = dated?.ttlSeconds ?? STATUS_LIST_TTL_SECONDS;
  return Math.min(Math.max(seconds, TTL_SECONDS_MIN), STATUS_LIST_TTL_SECONDS) * 1_000;
}

/** What a token is refused for by what its list says, however old that is; `undefined` while it is valid. */
function refusalOf({ dated }: List, index: number): VerificationError | undefined {
  if (dated === undefined) return undefined;
  const status = statusAt(dated.statuses, index);
  if (status === VALID) return undefined;
  return status === undefined
    ? new VerificationError("CLAIMS_INVALID", "claims of the token: expected status.status_list.idx within its list")
    : new VerificationError("REVOKED", "the token is not valid any more by its status list", { reason: "unspecified" });
}

const UNFIT = {
  NOT_READY: "the status list of the token is not known",
  STALE: "what is known of the status list of the token is out of date",
  CLOCK_SKEWED: "the clock of the verifier is behind that of the broker",
} as const;

function unfitOf(unfit: Unfitness, { failure }: List): VerificationError {
  const why = failure instanceof VerificationError ? { status_list: failure.code } : {};
  return new VerificationError(unfit, UNFIT[unfit], why);
}

function invalidIn(statuses: DatedList["statuses"]): number {
  const { bits, bytes } = statuses;
  let invalid = 0;
  // Most bytes are of tokens that are all valid.
  for (const [at, byte] of bytes.entries()) {
    if (byte === 0) continue;
    for (let index = (at * 8) / bits; index < ((at + 1) * 8) / bits; index += 1) {
      if (statusAt(statuses, index) !== VALID) invalid += 1;
    }
  }
  return invalid;
}
