import type { Exchange } from "../domain/exchange.ts";
import type { UnixMicros } from "../domain/time.ts";
import type { Cancel } from "../ports/clock.ts";

/** An exchange of which something may be alive, with what is under way to end it. */
export type KeptExchange = {
  exchange: Pick<Exchange, "exchangeId" | "stepId" | "target" | "kind" | "endable" | "expiresAt" | "state" | "replica">;
  closedSequence: number | undefined;
  /** When it was first taken for unknown; absent: it was not. */
  unknownSince: UnixMicros | undefined;
  isEnding: boolean;
  failures: number;
  failure: string | undefined;
  unfollow: Cancel;
  cancelRetry: Cancel;
  cancelExpiry: Cancel;
};

/** By their ids, their steps and the closes of these: whoever has none is found to have none without looking at others. */
export type KeptExchanges = {
  add(exchange: KeptExchange["exchange"], unknownSince: UnixMicros | undefined): KeptExchange | undefined;
  get(exchangeId: string): KeptExchange | undefined;
  all(): readonly KeptExchange[];
  ofStep(stepId: string): readonly KeptExchange[];
  /** Notes that the step of an exchange was closed by this event. */
  closed(one: KeptExchange, closedSequence: number): void;
  closedBy(closedSequence: number): readonly KeptExchange[];
  remove(exchangeId: string): KeptExchange | undefined;
};

export function createKeptExchanges(): KeptExchanges {
  const kept = new Map<string, KeptExchange>();
  const byStep = createGroups<string>();
  const byClose = createGroups<number>();

  return {
    /** @returns `undefined` where it is kept already. */
    add(exchange, unknownSince) {
      if (kept.has(exchange.exchangeId)) return undefined;
      const nothing = () => undefined;
      const one: KeptExchange = {
        exchange,
        closedSequence: undefined,
        unknownSince,
        isEnding: false,
        failures: 0,
        failure: undefined,
        unfollow: nothing,
        cancelRetry: nothing,
        cancelExpiry: nothing,
      };
      kept.set(exchange.exchangeId, one);
      byStep.add(exchange.stepId, one);
      return one;
    },
    get: (exchangeId) => kept.get(exchangeId),
    all: () => [...kept.values()],
    ofStep: byStep.of,
    closed(one, closedSequence) {
      one.closedSequence = closedSequence;
      byClose.add(closedSequence, one);
    },
    closedBy: byClose.of,
    remove(exchangeId) {
      const one = kept.get(exchangeId);
      if (one === undefined) return undefined;
      kept.delete(exchangeId);
      byStep.remove(one.exchange.stepId, one);
      if (one.closedSequence !== undefined) byClose.remove(one.closedSequence, one);
      return one;
    },
  };
}

function createGroups<Key>() {
  const groups = new Map<Key, Set<KeptExchange>>();
  return {
    add(key: Key, one: KeptExchange): void {
      const group = groups.get(key) ?? new Set();
      groups.set(key, group);
      group.add(one);
    },
    remove(key: Key, one: KeptExchange): void {
      const group = groups.get(key);
      group?.delete(one);
      if (group?.size === 0) groups.delete(key);
    },
    of: (key: Key): readonly KeptExchange[] => [...(groups.get(key) ?? [])],
  };
}
