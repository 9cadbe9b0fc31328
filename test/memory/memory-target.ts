import { ExchangeFailure } from "../../src/domain/exchange.ts";
import type { ConfiguredTarget } from "../../src/exchange/exchange-targets.ts";
import type { EndedExchange } from "../../src/ports/exchange-target.ts";

/** Another system in memory: what is alive there, and whether it answers. */
export type MemoryTarget = ConfiguredTarget & {
  readonly alive: Set<string>;
  /** What it was told to end, in order. */
  readonly told: EndedExchange[];
  isDown: boolean;
  /** The most that were being told at one time. */
  readonly atOnce: () => number;
};

/** @param own - what of it is not ordinary; `end` absent: nobody can end anything there. */
export function memoryTarget(own: Partial<ConfiguredTarget> & { readonly isEndable?: boolean } = {}): MemoryTarget {
  const { isEndable = true, ...more } = own;
  const alive = new Set<string>();
  const told: EndedExchange[] = [];
  let running = 0;
  let most = 0;
  const target: MemoryTarget = {
    ...{ name: "elsewhere", kind: "openbao", audience: "https://elsewhere.example", ttlSecondsMax: 3_600 },
    ...{ takesToken: false, secondsMin: 0, alive, told, isDown: false, atOnce: () => most },
    async issue({ exchangeId, expiresAt }) {
      if (target.isDown) throw new ExchangeFailure("unavailable", "can't be reached", { mayExist: false });
      alive.add(exchangeId);
      return { secret: { token: `secret of ${exchangeId}` }, expiresAt, handle: `handle of ${exchangeId}` };
    },
    ...(isEndable && {
      async end(ended: EndedExchange) {
        running += 1;
        most = Math.max(most, running);
        await new Promise(setImmediate);
        running -= 1;
        if (target.isDown) throw new ExchangeFailure("unavailable", "can't be reached", { mayExist: true });
        told.push(ended);
        alive.delete(ended.exchangeId);
      },
    }),
    ...more,
  };
  return target;
}
