import { BrokerError, type Denial, denial } from "../domain/errors.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Committed, Follower, FollowerStatus, Following } from "../ports/following.ts";

/** A follower under way, as the code that feeds the follower sees it. */
export type KeptFollowing = Following & {
  /** Offers events that were committed just now. A follower that is behind does not take them, but reads them later. */
  offer(events: readonly Committed[]): void;
  /** Reads the events that the follower has not taken yet, if there are any. */
  catchUp(): void;
  status(): FollowerStatus;
};

export type FollowingPorts = {
  /** The sequence of the newest event. */
  readonly head: () => number;
  readonly clock: Pick<Clock, "schedule">;
  /** Takes what a follower threw. */
  readonly failed: (error: unknown) => void;
  /** The next events after a sequence, at least one. */
  readonly readPage: (after: number) => Promise<readonly Committed[]>;
  readonly ended: () => void;
};

/** How long an answer waits for a follower; a follower that takes longer counts as failed. */
const REACHED_WITHIN_MS = 2_000;
/** A follower that threw is tried again after this, so at least once before an answer gives up waiting. */
const RETRY_MS = 1_000;

type Waiter = { readonly sequence: number; readonly settle: (isReached: boolean) => void };

export function createFollowing(follower: Follower, after: number, ports: FollowingPorts): KeptFollowing {
  const { name } = follower;
  const waiters = new Set<Waiter>();
  let position = after;
  /** `busy` while events are read, or are taken by a call that returns a promise. */
  let state: "idle" | "busy" | "failed" | "ended" = "idle";
  /** The event at which the follower failed, until the follower has taken that event. */
  let failedAt: number | undefined;
  /** The highest sequence that an answer waited for in vain. */
  let owed = 0;
  let cancelRetry: Cancel = () => undefined;
  let wasReliable = true;

  function release(): void {
    if (failedAt !== undefined && position >= failedAt) failedAt = undefined;
    for (const waiter of waiters) if (waiter.sequence <= position) waiter.settle(true);
    if (!wasReliable && isReliable()) {
      wasReliable = true;
      follower.recovered?.();
    }
  }

  function isReliable(): boolean {
    return failedAt === undefined && position >= owed;
  }

  function fail(error: unknown): void {
    release();
    if (state === "ended") return;
    state = "failed";
    // Reported once for each event, however often the event is tried.
    if (failedAt !== position + 1) ports.failed(new Error(`the follower ${name} failed`, { cause: error }));
    failedAt = position + 1;
    wasReliable = false;
    cancelRetry = ports.clock.schedule(RETRY_MS, () => {
      if (state !== "failed") return;
      state = "idle";
      catchUp();
    });
  }

  function takeEach(events: readonly Committed[], take: (committed: Committed) => void): void {
    for (const committed of events) {
      if (state === "ended") return;
      if (committed.sequence <= position) continue;
      take(committed);
      position = committed.sequence;
    }
  }

  async function take(events: readonly Committed[]): Promise<void> {
    if ("take" in follower) return takeEach(events, (one) => follower.take(one));
    const missing = events.filter(({ sequence }) => sequence > position);
    if (missing.length === 0) return;
    await follower.takeAll(missing);
    position = missing.at(-1)?.sequence ?? position;
  }

  async function readOn(): Promise<readonly Committed[]> {
    const events = await ports.readPage(position);
    if (events.length === 0) throw new BrokerError("LEDGER_UNAVAILABLE", "committed events can't be read");
    return events;
  }

  /** @param events - the events to begin with; later events are read, one page in each turn of the event loop. */
  async function run(events?: readonly Committed[]): Promise<void> {
    state = "busy";
    try {
      for (let next = events; isBusy(); next = undefined) {
        await take(next ?? (await readOn()));
        release();
        if (position >= ports.head()) break;
        await nextTurn();
      }
      if (isBusy()) state = "idle";
    } catch (thrown) {
      fail(thrown);
    }
  }

  /** A function, since the follower may have been ended during an `await`, which the compiler would not see. */
  function isBusy(): boolean {
    return state === "busy";
  }

  /** In words for the operator. */
  function failure(): string {
    return failedAt === undefined
      ? `behind the ledger: at event ${position} of ${ports.head()}`
      : `stopped at event ${failedAt}; the broker's log says why`;
  }

  function catchUp(): void {
    if (state === "idle" && position < ports.head()) void run();
  }

  return {
    offer(events) {
      if (state !== "idle") return;
      if ((events[0]?.sequence ?? 0) > position + 1) return catchUp();
      if (!("take" in follower)) return void run(events);
      try {
        takeEach(events, (one) => follower.take(one));
        release();
      } catch (thrown) {
        fail(thrown);
      }
    },
    catchUp,
    position: () => position,
    reached(sequence) {
      if (position >= sequence) return Promise.resolve(true);
      if (state === "ended") return Promise.resolve(false);
      return new Promise((resolve) => {
        const waiter: Waiter = {
          sequence,
          settle(isReached) {
            waiters.delete(waiter);
            cancel();
            resolve(isReached);
          },
        };
        const cancel = ports.clock.schedule(REACHED_WITHIN_MS, () => {
          owed = Math.max(owed, sequence);
          wasReliable = false;
          waiter.settle(false);
        });
        waiters.add(waiter);
      });
    },
    refusal: (): Denial | undefined =>
      isReliable()
        ? undefined
        : denial("NOT_SERVING", `what the broker keeps of its ${name} is behind the ledger; it catches up by itself`),
    status: () => ({
      name,
      position,
      ...(isReliable() ? {} : { failure: failure() }),
    }),
    end() {
      state = "ended";
      cancelRetry();
      ports.ended();
      for (const waiter of waiters) waiter.settle(false);
    },
  };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
