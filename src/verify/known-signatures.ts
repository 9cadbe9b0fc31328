import type { KeyObject } from "node:crypto";

/** Some 8 MiB where every token is as long as may be; of the usual length, 2 MiB. */
const TOKENS_MAX = 1_000;

/** Signatures that have held, so that the second call with a token does not cost the check of its signature again. */
export type KnownSignatures = {
  /** Whether the signature of this very text was found to hold by this very key. */
  holds(token: string, key: KeyObject): boolean;
  add(token: string, key: KeyObject): void;
};

/**
 * Remembers which key has signed which text, and nothing else: whether the key is still trusted, and all that the token says, is
 * looked at each time. Of too many those go that were not seen for the longest time; what was never signed by a trusted key gets
 * in nowhere.
 *
 * Kept in two halves, of which the older goes as a whole: taking the oldest out of one map costs more the more were taken out before.
 */
export function createKnownSignatures(tokensMax = TOKENS_MAX): KnownSignatures {
  let recent = new Map<string, KeyObject>();
  let older = new Map<string, KeyObject>();
  function add(token: string, key: KeyObject): void {
    if (recent.size >= tokensMax / 2 && !recent.has(token)) {
      older = recent;
      recent = new Map();
    }
    recent.set(token, key);
  }
  return {
    add,
    holds(token, key) {
      if (recent.get(token) === key) return true;
      if (older.get(token) !== key) return false;
      add(token, key);
      return true;
    },
  };
}
