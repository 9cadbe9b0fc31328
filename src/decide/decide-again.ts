import { BrokerError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { FactScope } from "../domain/run-facts.ts";

export type Retries = {
  /**
   * Does an act that decides and records, and does it again when what was decided on had changed before the record. The
   * first try is free. Further tries take turns with all that hang on the same facts, and whoever comes anew waits for
   * these turns, so that they don't outdate each other again and again.
   *
   * @param run - whose facts the decision hangs on, unless the act says otherwise.
   * @param act - told which try it is, from 1; calls `inScopes` before it decides, with all scopes of facts that the
   *   decision hangs on, and goes on when that resolves.
   * @throws BrokerError DECISION_OUTDATED after `LIMITS.decisionsPerRequestMax` tries; and what the act throws
   */
  untilItStands<T>(run: string, act: (tries: number, inScopes: InScopes) => Promise<T>): Promise<T>;
};

type InScopes = (scopes: readonly FactScope[]) => Promise<void>;

export function createRetries(): Retries {
  /** The last of those that take turns, by each of their scopes. */
  const turns = new Map<FactScope, Promise<unknown>>();

  /** Resolves when all that take turns in these scopes by now have had theirs. */
  async function turnsBefore(scopes: readonly FactScope[]): Promise<void> {
    await Promise.allSettled(scopes.flatMap((scope) => turns.get(scope) ?? []));
  }

  /** A turn in several scopes is taken up in all of them at once: of two, one is first everywhere, and none waits for the other. */
  async function inTurn<T>(scopes: readonly FactScope[], act: () => Promise<T>): Promise<T> {
    const mine = turnsBefore(scopes).then(act);
    for (const scope of scopes) turns.set(scope, mine);
    try {
      return await mine;
    } finally {
      for (const scope of scopes) if (turns.get(scope) === mine) turns.delete(scope);
    }
  }

  return {
    async untilItStands(run, act) {
      let scopes: readonly FactScope[] = [`run:${run}`];
      try {
        return await act(1, (found) => {
          scopes = found;
          return turnsBefore(found);
        });
      } catch (thrown) {
        if (!isOutdated(thrown)) throw thrown;
      }
      return inTurn(scopes, async () => {
        for (let tries = 2; ; tries += 1) {
          try {
            return await act(tries, async () => undefined);
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
