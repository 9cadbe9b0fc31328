import { BrokerError } from "../domain/errors.ts";
import type { UnixMicros } from "../domain/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { Head } from "../ports/ledger.ts";
import type { PrimaryLedger, StandbyLedger } from "../ports/standby.ts";

/** How far a standby is. */
export type StandbyStatus = {
  /** Of the copy; absent until the first is whole. */
  readonly head?: Head;
  /** What the primary said last, and when; absent where it has said nothing yet. */
  readonly heard?: Heard;
  /** Why nothing is followed at present, in words; absent while it is. */
  readonly why?: string;
};

/** The newest event of the primary, and when that was heard. */
export type Heard = { readonly newest: number; readonly at: UnixMicros };

export type KeptStandby = {
  status(): StandbyStatus;
  /** Rejects with what nothing but a start mends: what is on the disk can't be relied on. */
  readonly ended: Promise<never>;
  close(): Promise<void>;
};

export type StandbyPorts = {
  readonly ledger: StandbyLedger;
  readonly primary: PrimaryLedger;
  readonly clock: Pick<Clock, "now" | "schedule">;
  /** Told whenever `why` of the status has changed. */
  readonly changed: (status: StandbyStatus) => void;
};

/** A primary that is not heard of for so long is gone, or the connection to it is broken. */
const SILENCE_MS = 10_000;
const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 5_000;

/** Takes a copy of the primary's ledger where there is none, and keeps it up with the primary for as long as this runs. */
export function keepStandby({ ledger, primary, clock, changed }: StandbyPorts): KeptStandby {
  const closed = new AbortController();
  let heard: Heard | undefined;
  let why: string | undefined = "the primary has not answered yet";
  let pauseMs = PAUSE_MS_MIN;
  let mustCopy = false;
  let wake: () => void = () => undefined;

  function tell(now: string | undefined): void {
    if (why === now) return;
    why = now;
    changed(status());
  }

  function status(): StandbyStatus {
    const head = ledger.head();
    return {
      ...(head === undefined ? {} : { head }),
      ...(heard === undefined ? {} : { heard }),
      ...(why === undefined ? {} : { why }),
    };
  }

  async function copy(signal: AbortSignal): Promise<void> {
    const taking = "a whole copy is being taken";
    tell(mustCopy && why !== undefined ? `${why}: ${taking}` : taking);
    const taken = primary.copy(signal);
    await ledger.replace(taken);
    mustCopy = false;
    heard = { newest: taken.facts().head.sequence, at: clock.now() };
  }

  async function follow(after: number): Promise<void> {
    const silent = new AbortController();
    const signal = AbortSignal.any([closed.signal, silent.signal]);
    const giveUp = () => silent.abort(new BrokerError("NOT_SERVING", `nothing was heard for ${SILENCE_MS / 1_000} s`));
    let cancel = clock.schedule(SILENCE_MS, giveUp);
    try {
      for await (const part of primary.follow(after, signal)) {
        cancel();
        if (part.kind === "chunk") {
          ledger.keepChunk(part.chunk);
        } else {
          ledger.take(part.page);
          heard = { newest: part.page.newest, at: clock.now() };
          pauseMs = PAUSE_MS_MIN;
          tell(undefined);
        }
        cancel = clock.schedule(SILENCE_MS, giveUp);
      }
    } finally {
      cancel();
    }
    throw new BrokerError("NOT_SERVING", "the primary ended the connection");
  }

  /** Goes on until it is closed. Throws what is no refusal of anybody's. */
  async function run(): Promise<void> {
    while (!closed.signal.aborted) {
      try {
        const head = ledger.head();
        if (head === undefined || mustCopy) await copy(closed.signal);
        else await follow(head.sequence);
      } catch (thrown) {
        if (closed.signal.aborted) return;
        if (!(thrown instanceof BrokerError)) throw thrown;
        mustCopy ||= thrown.code === "PRUNED";
        // A connection ends with the SVID that it was made by, and is made again with the next: nobody need hear of that.
        if (thrown.code !== "NOT_SERVING" || pauseMs > PAUSE_MS_MIN) tell(thrown.message);
        await pause();
      }
    }
  }

  function pause(): Promise<void> {
    const over = Promise.withResolvers<void>();
    const cancel = clock.schedule(pauseMs, over.resolve);
    pauseMs = Math.min(PAUSE_MS_MAX, 2 * pauseMs);
    wake = () => {
      cancel();
      over.resolve();
    };
    return over.promise;
  }

  const failed = Promise.withResolvers<never>();
  // Whoever does not wait for it closes it.
  failed.promise.catch(() => undefined);
  const running = run().catch((thrown: unknown) => failed.reject(thrown));

  return {
    status,
    ended: failed.promise,
    async close() {
      closed.abort();
      wake();
      await running;
    },
  };
}
