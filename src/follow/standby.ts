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

/** The newest event of the primary, when that was heard, and the newest checkpoint that it has shown, if any. */
export type Heard = { readonly newest: number; readonly at: UnixMicros; readonly checkpoint?: string };

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
  /** Before this start. */
  readonly heard?: Heard | undefined;
  /** Told whenever `why` of the status has changed. */
  readonly changed: (status: StandbyStatus) => void;
};

/** A primary that is not heard of for so long is gone, or the connection to it is broken. */
const SILENCE_MS = 10_000;
/** The same while it makes a copy and verifies it, of which it says little. */
const COPY_SILENCE_MS = 15 * 60_000;
const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 5_000;

/** Takes a copy of the primary's ledger where there is none, and keeps it up with the primary for as long as this runs. */
export function keepStandby({ ledger, primary, clock, changed, ...before }: StandbyPorts): KeptStandby {
  const closed = new AbortController();
  let { heard } = before;
  let why: string | undefined = "the primary has not answered yet";
  let pauseMs = PAUSE_MS_MIN;
  let mustCopy = false;
  let wake: () => void = () => undefined;

  function tell(now: string | undefined): void {
    if (why === now) return;
    why = now;
    changed(status());
  }

  function hear(newest: number, checkpoint = heard?.checkpoint): void {
    heard = { newest, at: clock.now(), ...(checkpoint === undefined ? {} : { checkpoint }) };
  }

  function status(): StandbyStatus {
    const head = ledger.head();
    return {
      ...(head === undefined ? {} : { head }),
      ...(heard === undefined ? {} : { heard }),
      ...(why === undefined ? {} : { why }),
    };
  }

  /** Works with what comes by a call that is given up once nothing has come for so long. */
  async function heeding(
    silenceMs: number,
    work: (signal: AbortSignal, came: () => void) => Promise<void>,
  ): Promise<void> {
    const silent = new AbortController();
    const why = `nothing was heard of the primary for ${silenceMs / 1_000} s`;
    const giveUp = () => silent.abort(new BrokerError("NOT_SERVING", why));
    let cancel = clock.schedule(silenceMs, giveUp);
    try {
      await work(AbortSignal.any([closed.signal, silent.signal]), () => {
        cancel();
        cancel = clock.schedule(silenceMs, giveUp);
      });
    } finally {
      cancel();
    }
  }

  async function copy(): Promise<void> {
    const taking = "a whole copy is being taken";
    tell(mustCopy && why !== undefined ? `${why}: ${taking}` : taking);
    await heeding(COPY_SILENCE_MS, async (signal, came) => {
      const { chunks, facts } = primary.copy(signal);
      await ledger.replace({ chunks: each(chunks, came), facts }, closed.signal);
      hear(facts().head.sequence, undefined);
    });
    mustCopy = false;
  }

  async function follow(after: number): Promise<void> {
    await heeding(SILENCE_MS, async (signal, came) => {
      for await (const part of each(primary.follow(after, heard?.checkpoint ?? "", signal), came)) {
        if (part.kind === "chunk") {
          ledger.keepChunk(part.chunk);
          continue;
        }
        ledger.take(part.page);
        hear(part.page.newest, part.page.checkpoint);
        pauseMs = PAUSE_MS_MIN;
        tell(undefined);
      }
    });
    throw new BrokerError("NOT_SERVING", "the primary ended the connection");
  }

  /** Goes on until it is closed. Throws what is no refusal of anybody's. */
  async function run(): Promise<void> {
    while (!closed.signal.aborted) {
      try {
        const head = ledger.head();
        if (head === undefined || mustCopy) await copy();
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

async function* each<Part>(parts: AsyncIterable<Part>, came: () => void): AsyncGenerator<Part, void, void> {
  for await (const part of parts) {
    came();
    yield part;
  }
}
