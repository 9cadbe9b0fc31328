import type { ProcessIdentity } from "../domain/process.ts";

/** Processes in the order in which they started. */
export type ProcessAges<One extends { readonly process: ProcessIdentity }> = {
  put(one: One): void;
  /** Of one that is not there, nothing happens. */
  remove(one: One): void;
  /** Those that started in this tick or later. */
  since(startTimeTicks: number): Iterable<One>;
  clear(): void;
};

/** Whoever comes has started last as a rule, so that next to nobody is passed, or moved, for one that comes. */
export function createProcessAges<One extends { readonly process: ProcessIdentity }>(): ProcessAges<One> {
  const sorted: One[] = [];

  /** Where the first stands that started in this tick or later. */
  function firstSince(startTimeTicks: number): number {
    let [from, to] = [0, sorted.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      const there = sorted[middle]?.process.startTimeTicks;
      if (there !== undefined && there < startTimeTicks) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  return {
    put(one) {
      sorted.splice(firstSince(one.process.startTimeTicks), 0, one);
    },
    remove(one) {
      const at = sorted.indexOf(one, firstSince(one.process.startTimeTicks));
      if (at >= 0) sorted.splice(at, 1);
    },
    *since(startTimeTicks) {
      for (let at = firstSince(startTimeTicks); at < sorted.length; at += 1) {
        const one = sorted[at];
        if (one !== undefined) yield one;
      }
    },
    clear() {
      sorted.length = 0;
    },
  };
}
