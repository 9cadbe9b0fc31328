/** What waits, in turns by party: whoever asks a thousand times has no more turns than whoever asks once. */
export type FairQueue<Item> = {
  readonly size: number;
  /** How many items of one party wait. */
  sizeOf(party: string): number;
  /** @param weight - of the item, as a part of what is taken together. */
  add(party: string, item: Item, weight: number): void;
  /** The next items, at least one if there is one; more of them up to a number and a weight. */
  take(itemsMax: number, weightMax: number): readonly Item[];
  /** All that waits. */
  clear(): readonly Item[];
};

type Weighed<Item> = { readonly item: Item; readonly weight: number };

export function createFairQueue<Item>(): FairQueue<Item> {
  /** By party, those that have something to be taken; the first party is next. */
  const parties = new Map<string, Weighed<Item>[]>();
  let size = 0;

  function takeNext(isFirst: boolean, weightMax: number): Weighed<Item> | undefined {
    for (const [party, queue] of parties) {
      const [next] = queue;
      if (next === undefined || (!isFirst && next.weight > weightMax)) return undefined;
      queue.shift();
      parties.delete(party);
      // Behind all others.
      if (queue.length > 0) parties.set(party, queue);
      size -= 1;
      return next;
    }
    return undefined;
  }

  return {
    get size() {
      return size;
    },
    sizeOf: (party) => parties.get(party)?.length ?? 0,
    add(party, item, weight) {
      const queue = parties.get(party);
      if (queue === undefined) parties.set(party, [{ item, weight }]);
      else queue.push({ item, weight });
      size += 1;
    },
    take(itemsMax, weightMax) {
      const taken: Item[] = [];
      let weight = 0;
      while (taken.length < itemsMax) {
        const next = takeNext(taken.length === 0, weightMax - weight);
        if (next === undefined) break;
        taken.push(next.item);
        weight += next.weight;
      }
      return taken;
    },
    clear() {
      const all = [...parties.values()].flatMap((queue) => queue.map(({ item }) => item));
      parties.clear();
      size = 0;
      return all;
    },
  };
}
