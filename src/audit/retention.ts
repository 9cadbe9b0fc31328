import { type Denial, errorOf } from "../domain/errors.ts";
import { type Cutoffs, RETENTION_CLASSES, type RetentionClass } from "../domain/retention.ts";
import { addSeconds, microsOf, secondsOf, type UnixMicros } from "../domain/time.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { DueClass, LedgerRetention, RetentionStanding } from "../ports/ledger-retention.ts";
import type { Log } from "../ports/log.ts";

/** For how many seconds after its end what an event of a class says is kept. A class that is not named is kept for good. */
export type RetentionTimes = { readonly [Class in RetentionClass]?: number };

export type RetentionPorts = {
  readonly retention: LedgerRetention;
  /** Absent where the configuration does not say: a new ledger has the default, an older one is kept whole. */
  readonly times: RetentionTimes | undefined;
  /** Why the ledger, or the clock, is not believed at present. What is over is told by both. */
  readonly refusal: () => Denial | undefined;
  /** Whether a broker that shares the ledger does the rounds; absent: there is none. */
  readonly isElsewhere?: () => boolean;
  readonly clock: Clock;
  readonly log: Pick<Log, "info" | "fault">;
};

/** What became of a round that was due: something was pruned, nothing was over for long enough, it waits for the refusal to end, it failed. */
type RoundOutcome = "pruned" | "nothing" | "waiting" | "failed";

export type RetentionRounds = {
  /**
   * A round at once. One runs at a time: whoever asks during one is told what that one did.
   *
   * @returns how many events were pruned.
   * @throws BrokerError NOT_SERVING while the ledger or the clock is not believed; LEDGER_UNAVAILABLE
   */
  round(): Promise<number>;
  /** What a round would prune at most: what is alive or held is in it. */
  due(): Promise<readonly DueClass[]>;
  /** Since the start. */
  counts(): { readonly rounds: ReadonlyMap<RoundOutcome, number>; readonly prunedEvents: number };
  stop(): void;
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
export function keepRetention(ports: RetentionPorts): RetentionRounds {
  const { retention, times, refusal, clock, log } = ports;
  const rounds = new Map<RoundOutcome, number>();
  let prunedEvents = 0;
  let cancel: Cancel = clock.schedule(FIRST_ROUND_MS, run);
  let isStopped = false;
  let running: Promise<number> | undefined;

  function run(): void {
    if (ports.isElsewhere?.() === true) {
      again(FIRST_ROUND_MS);
      return;
    }
    const refused = refusal();
    if (refused !== undefined) {
      count("waiting");
      log.info("the ledger is not pruned yet", { why: refused.message });
      again(FIRST_ROUND_MS);
      return;
    }
    round()
      .catch((thrown: unknown) => log.fault("the ledger could not be pruned; tried again in a day", thrown))
      .finally(() => again(ROUND_MS));
  }

  function again(delayMs: number): void {
    if (!isStopped) cancel = clock.schedule(delayMs, run);
  }

  async function round(): Promise<number> {
    const refused = refusal();
    if (refused !== undefined) throw errorOf(refused);
    running ??= pruneDue()
      .catch((thrown: unknown) => {
        count("failed");
        throw thrown;
      })
      .finally(() => {
        running = undefined;
      });
    return running;
  }

  function cutoffsIn({ isNew }: Pick<RetentionStanding, "isNew">): Cutoffs {
    return cutoffsOf(timesFor(times, isNew), clock.now());
  }

  async function pruneDue(): Promise<number> {
    const standing = await retention.standing();
    const cutoffs = cutoffsIn(standing);
    if (eventsOf(await retention.due(cutoffs, 0)) === 0) return told(0);
    const pruned = await retention.prune(cutoffs);
    const through = standing.snapshot?.through ?? 0;
    if (eventsOf(await retention.due(cutoffs, through)) < DUE_EVENTS_MIN) return told(pruned);
    const taken = await retention.takeSnapshot();
    if (taken.kind === "damaged") throw new TypeError(`the ledger is damaged: ${taken.reason}`);
    return told(pruned + (await retention.prune(cutoffs)));
  }

  function told(pruned: number): number {
    prunedEvents += pruned;
    count(pruned === 0 ? "nothing" : "pruned");
    if (pruned > 0) log.info("the ledger was pruned", { events: pruned });
    return pruned;
  }

  function count(outcome: RoundOutcome): void {
    rounds.set(outcome, (rounds.get(outcome) ?? 0) + 1);
  }

  return {
    round,
    due: async () => retention.due(cutoffsIn(await retention.standing()), 0),
    counts: () => ({ rounds, prunedEvents }),
    stop() {
      isStopped = true;
      cancel();
    },
  };
}

function eventsOf(due: readonly DueClass[]): number {
  return due.reduce((sum, { events }) => sum + events, 0);
}
