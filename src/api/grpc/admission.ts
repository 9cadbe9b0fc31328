import { BrokerError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";

/** Those who are served one after another when many come at once. */
export type Admission = {
  /**
   * Waits for a place. Parties have their turns one by one, and each party's callers in the order in which they came.
   *
   * @param party - whose callers wait for one another: a thousand callers of one party keep no other waiting.
   * @returns what gives the place back; to be called once or more.
   * @throws BrokerError LIMIT_EXCEEDED when too many of the party wait, or when no place came free in time
   */
  enter(party: string): Promise<() => void>;
};

export type AdmissionBounds = {
  /** Places. */
  readonly atOnce: number;
  /** How many are let in within one turn of the event loop, so that other work is done between. */
  readonly perTurn: number;
  readonly waitingPerPartyMax: number;
  readonly waitMsMax: number;
  /** A place that is held for longer counts as free: whoever is slow is served all the same, and keeps nobody waiting. */
  readonly stayMsMax: number;
};

type Waiting = { letIn(): void };

/** @param what - for whoever is refused, in the plural. */
export function createAdmission(bounds: AdmissionBounds, what: string, clock: Pick<Clock, "schedule">): Admission {
  /** By party; the party that is next is the first. */
  const waiting = new Map<string, Set<Waiting>>();
  let inside = 0;
  let isTurnAsked = false;

  function askTurn(): void {
    if (isTurnAsked || waiting.size === 0 || inside >= bounds.atOnce) return;
    isTurnAsked = true;
    setImmediate(() => {
      isTurnAsked = false;
      for (let left = bounds.perTurn; left > 0 && inside < bounds.atOnce; left -= 1) takeNext()?.letIn();
      askTurn();
    });
  }

  function takeNext(): Waiting | undefined {
    for (const [party, queue] of waiting) {
      const [next] = queue;
      if (next === undefined) continue;
      queue.delete(next);
      waiting.delete(party);
      if (queue.size > 0) waiting.set(party, queue);
      return next;
    }
    return undefined;
  }

  function takePlace(): () => void {
    inside += 1;
    let isInside = true;
    const leave = () => {
      if (!isInside) return;
      isInside = false;
      inside -= 1;
      cancel();
      askTurn();
    };
    const cancel = clock.schedule(bounds.stayMsMax, leave);
    return leave;
  }

  return {
    async enter(party) {
      const queue = waiting.get(party) ?? new Set();
      if (queue.size >= bounds.waitingPerPartyMax) throw new BrokerError("LIMIT_EXCEEDED", `too many ${what} wait`);
      const { promise, resolve, reject } = Promise.withResolvers<() => void>();
      const one: Waiting = {
        letIn() {
          cancel();
          resolve(takePlace());
        },
      };
      const cancel = clock.schedule(bounds.waitMsMax, () => {
        queue.delete(one);
        if (queue.size === 0 && waiting.get(party) === queue) waiting.delete(party);
        reject(new BrokerError("LIMIT_EXCEEDED", `many ${what} come at this moment; come again`));
      });
      queue.add(one);
      waiting.set(party, queue);
      askTurn();
      return promise;
    },
  };
}
