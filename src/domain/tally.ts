/** How many there are of each party, and in all. A party of whom there is none takes no room. */
export type Tally = {
  /** @returns how many there are of this party then. */
  add(party: string): number;
  /** @returns how many there are of this party then; less than none, where one is to be added yet. */
  remove(party: string): number;
  of(party: string): number;
  total(): number;
};

export function createTally(): Tally {
  const counts = new Map<string, number>();
  let total = 0;

  function change(party: string, by: 1 | -1): number {
    const count = (counts.get(party) ?? 0) + by;
    if (count === 0) counts.delete(party);
    else counts.set(party, count);
    total += by;
    return count;
  }

  return {
    add: (party) => change(party, 1),
    remove: (party) => change(party, -1),
    of: (party) => counts.get(party) ?? 0,
    total: () => total,
  };
}
