import { opaSilent } from "./opa-silent.ts";

/** Lets so many go at once; whoever comes further waits until somebody has gone. */
export type Turns = {
  /**
   * @returns what has to be called once, when the turn is over
   * @throws BrokerError NOT_SERVING where too many wait already; or the reason of `over`
   */
  take(over: AbortSignal): Promise<() => void>;
};

/** Turns are taken in the order in which they were asked for. */
export function createTurns(limits: { readonly atOnce: number; readonly waiting: number }): Turns {
  const waiting = new Set<() => void>();
  let going = 0;

  function pass(): void {
    const [next] = waiting;
    if (next === undefined) going -= 1;
    else next();
  }

  return {
    async take(over) {
      over.throwIfAborted();
      if (going < limits.atOnce) {
        going += 1;
        return pass;
      }
      if (waiting.size >= limits.waiting) throw opaSilent(`${limits.waiting} questions are waiting already`);
      await new Promise<void>((resolve, reject) => {
        const leave = () => {
          waiting.delete(go);
          reject(over.reason);
        };
        const go = () => {
          waiting.delete(go);
          over.removeEventListener("abort", leave);
          resolve();
        };
        over.addEventListener("abort", leave, { once: true });
        waiting.add(go);
      });
      return pass;
    },
  };
}
