import { BrokerError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";

export type Retries = {
  /**
   * Does an act that decides and records, and does it again when what was decided on had changed before the record.
   *
   * @param run - whose facts the decision hangs on: further tries of one run take turns, so that they don't outdate each
   *   other again and again.
   * @param act - told which try it is, from 1.
   * @throws BrokerError DECISION_OUTDATED after `LIMITS.decisionsPerRequestMax` tries; and what the act throws
   */
  untilItStands<T>(run: string, act: (tries: number) => Promise<T>): Promise<T>;
};

export function createRetries(): Retries {
  /** The last of those that take turns, by their run. */
  const turns = new Map<string, Promise<unknown>>();

  async function inTurn<T>(run: string, act: () => Promise<T>): Promise<T> {
    const before = turns.get(run);
    const mine = (before ?? Promise.resolve()).then(act, act);
    turns.set(run, mine);
    try {
      return await mine;
    } finally {
      if (turns.get(run) === mine) turns.delete(run);
    }
  }

  return {
    async untilItStands(run, act) {
      try {
        return await act(1);
      } catch (thrown) {
        if (!isOutdated(thrown)) throw thrown;
      }
      return inTurn(run, async () => {
        for (let tries = 2; ; tries += 1) {
          try {
            return await act(tries);
          } catch (thrown) {
            if (!isOutdated(thrown) || tries >= LIMITS.decisionsPerRequestMax) throw thrown;
          }
        }
      });
    },
  };
}

function isOutdated(thrown: unknown): boolean {
  return thrown instanceof BrokerError && thrown.code === "DECISION_OUTDATED";
}
