import { type Cutoffs, RETENTION_CLASSES, type RetentionClass } from "../domain/retention.ts";
import { addSeconds, microsOf, secondsOf, type UnixMicros } from "../domain/time.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { DueClass, LedgerRetention } from "../ports/ledger-retention.ts";
import type { Log } from "../ports/log.ts";

/** For how many seconds after its end what an event of a class says is kept. A class that is not named is kept for good. */
export type RetentionTimes = { readonly [Class in RetentionClass]?: number };

export type RetentionPorts = {
  readonly retention: LedgerRetention;
  /** Absent where the configuration does not say: a new ledger has the default, an older one is kept whole. */
  readonly times: RetentionTimes | undefined;
  readonly clock: Clock;
  readonly log: Pick<Log, "info" | "fault">;
};

const DAY_SECONDS = 86_400;
const DEFAULT_SECONDS = 90 * DAY_SECONDS;
const DEFAULT_TIMES: RetentionTimes = Object.fromEntries(RETENTION_CLASSES.map((name) => [name, DEFAULT_SECONDS]));

/** A start has other things to do first. */
const FIRST_ROUND_MS = 10 * 60 * 1000;
const ROUND_MS = DAY_SECONDS * 1000;
/** A snapshot costs as much as a verification of the whole ledger: it is not taken for a handful of events. */
const DUE_EVENTS_MIN = 1_000;

/** The times that hold for a ledger. */
export function timesFor(configured: RetentionTimes | undefined, isNew: boolean): RetentionTimes {
  return configured ?? (isNew ? DEFAULT_TIMES : {});
}

export function cutoffsOf(times: RetentionTimes, now: UnixMicros): Cutoffs {
  const cutoffs = Object.entries(times).map(([name, seconds]) => [
    name,
    microsOf(addSeconds(secondsOf(now), -seconds)),
  ]);
  return Object.fromEntries(cutoffs);
}

/** Prunes once a day what is over for long enough, behind a snapshot that is newer than all of it. */
export function keepRetention(ports: RetentionPorts): { stop(): void; round(): Promise<number> } {
  const { retention, times, clock, log } = ports;
  let cancel: Cancel = clock.schedule(FIRST_ROUND_MS, run);
  let isStopped = false;
  let running: Promise<number> | undefined;

  function run(): void {
    round()
      .catch((thrown: unknown) => log.fault("the ledger could not be pruned; tried again in a day", thrown))
      .finally(() => {
        if (!isStopped) cancel = clock.schedule(ROUND_MS, run);
      });
  }

  /** One at a time: whoever asks during a round is told what that one did. */
  function round(): Promise<number> {
    running ??= pruneDue().finally(() => {
      running = undefined;
    });
    return running;
  }

  async function pruneDue(): Promise<number> {
    const { isNew, snapshot } = await retention.standing();
    const cutoffs = cutoffsOf(timesFor(times, isNew), clock.now());
    if (eventsOf(await retention.due(cutoffs, 0)) === 0) return 0;
    const before = await retention.prune(cutoffs);
    if (eventsOf(await retention.due(cutoffs, snapshot?.through ?? 0)) < DUE_EVENTS_MIN) return told(before);
    const taken = await retention.takeSnapshot();
    if (taken.kind === "damaged") throw new TypeError(`the ledger is damaged: ${taken.reason}`);
    return told(before + (await retention.prune(cutoffs)));
  }

  function told(pruned: number): number {
    if (pruned > 0) log.info("the ledger was pruned", { events: pruned });
    return pruned;
  }

  return {
    round,
    stop() {
      isStopped = true;
      cancel();
    },
  };
}

function eventsOf(due: readonly DueClass[]): number {
  return due.reduce((sum, { events }) => sum + events, 0);
}
