import {
  newStatusListName,
  STATUS_LIST_NAME_BYTES,
  STATUS_LIST_SECONDS,
  STATUS_LIST_TOKENS,
  type TokenStatus,
} from "../domain/status-list.ts";
import type { UnixMicros } from "../domain/time.ts";
import type { Randomness } from "../ports/randomness.ts";

/** Gives tokens their places in status lists, each place once. */
export type StatusIndexes = { next(now: UnixMicros): TokenStatus };

type List = {
  readonly name: string;
  readonly begunAt: UnixMicros;
  /**
   * At each place the index that is left there, and one more; 0: the place's own. So a new list is all zeros, which costs
   * whoever is issued its first token nothing.
   */
  readonly moved: Uint32Array;
  used: number;
};

const INDEX_RANDOM_BYTES = 4;
const LIST_MICROS = STATUS_LIST_SECONDS * 1_000_000;

/**
 * Draws indexes without putting any back, so that an index says neither how many tokens there were before it nor which
 * came first. Each process has lists of its own, under random names, and begins others at its start: nothing has to be
 * read, kept, or agreed on.
 *
 * @param tokens - in one list.
 */
export function createStatusIndexes(random: Randomness, tokens = STATUS_LIST_TOKENS): StatusIndexes {
  let list: List | undefined;

  function begun(now: UnixMicros): List {
    const name = newStatusListName(random.bytes(STATUS_LIST_NAME_BYTES));
    return { name, begunAt: now, moved: new Uint32Array(tokens), used: 0 };
  }

  return {
    next(now) {
      if (list === undefined || list.used === tokens || !isCurrent(list, now)) list = begun(now);
      const { moved, used, name } = list;
      // The first part of a shuffle (Fisher and Yates) for each token.
      const drawn = used + below(tokens - used, random);
      const index = leftAt(moved, drawn);
      moved[drawn] = leftAt(moved, used) + 1;
      list.used += 1;
      return { list: name, index };
    },
  };
}

function leftAt(moved: Uint32Array, place: number): number {
  const one = moved[place] ?? 0;
  return one === 0 ? place : one - 1;
}

/** A list is for a time; a clock that was set back begins another, for the end of a list is reckoned from its first token. */
function isCurrent({ begunAt }: List, now: UnixMicros): boolean {
  return now >= begunAt && now < begunAt + LIST_MICROS;
}

/** A whole number below `bound`, each as likely as any other but for one part in 2^32 / bound. */
function below(bound: number, random: Randomness): number {
  const bytes = random.bytes(INDEX_RANDOM_BYTES);
  return Math.floor((new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) / 2 ** 32) * bound);
}
