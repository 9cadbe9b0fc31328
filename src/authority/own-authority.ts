import type { Authority } from "../domain/authority.ts";

/**
 * Tells which authorities are one broker's, among those of all that share the ledger.
 *
 * @param replica - the broker's name; `undefined`: the ledger is shared with nobody.
 * @param holds - whether the key is here: what was made before the ledger was shared is whose the key is.
 */
export function isOwnAmong(
  replica: string | undefined,
  holds: (authorityId: string) => boolean,
): (authority: Authority) => boolean {
  return (one) => one.replica === replica || (one.replica === undefined && holds(one.authorityId));
}
