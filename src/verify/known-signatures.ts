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
 * looked at each time. Of too many the one goes that was not seen for the longest time; what was never signed by a trusted key gets
 * in nowhere.
 */
export function createKnownSignatures(tokensMax = TOKENS_MAX): KnownSignatures {
  /** The one that was not seen for the longest time first. */
  const keys = new Map<string, KeyObject>();
  function add(token: string, key: KeyObject): void {
    keys.delete(token);
    keys.set(token, key);
    const [oldest] = keys.keys();
    if (keys.size > tokensMax && oldest !== undefined) keys.delete(oldest);
  }
  return {
    add,
    holds(token, key) {
      if (keys.get(token) !== key) return false;
      add(token, key);
      return true;
    },
  };
}
