import type { Authority, KeyFamily } from "../domain/authority.ts";
import { LIMITS } from "../domain/limits.ts";
import { addSeconds, type UnixSeconds } from "../domain/time.ts";

/** Families of the keys that sign credentials; every broker signs with all of them. */
export const SIGNING_FAMILIES = [
  "x509-svid",
  "jwt-svid",
  "wit-svid",
  "txn-token",
] as const satisfies readonly KeyFamily[];
/** And the family that signs what the broker says of credentials, where it says anything of the kind. */
export type SigningFamily = (typeof SIGNING_FAMILIES)[number] | "events";

/** How keys follow one another. */
export type Rotation = {
  /** The next key is prepared once this share of the active key's life has passed; above 0, below 1. */
  readonly prepareShare: number;
  /** How long a key is published before it signs, so that every verifier has it by then. */
  readonly propagationSeconds: number;
};

/** What has to be done next in one family. */
export type Due =
  /** No key signs, and none is there that could: a key is made and signs at once. */
  | { readonly kind: "create" }
  | { readonly kind: "prepare" }
  | { readonly kind: "activate"; readonly authority: Authority }
  | { readonly kind: "remove"; readonly authority: Authority };

/** What a family's authorities are judged by. */
type Given = {
  readonly now: UnixSeconds;
  /** When an authority would end that was made now. */
  readonly endOfNew: UnixSeconds;
  readonly rotation: Rotation;
  /** Whether the key of an authority is at hand. */
  readonly holds: (authorityId: string) => boolean;
};

/**
 * How long even a key in a hurry is published before it signs: PyJWT and FastMCP do not ask for an unknown key within 30 s after they last
 * fetched, and refuse what it signs until then. Less than any propagation that can be configured.
 */
export const FORCED_PROPAGATION_SECONDS = 35;

/** How long after its expiry a credential may be accepted: the leeway, and the largest clock error still believed. */
const LENIENCE_SECONDS = LIMITS.verifierLeewaySeconds + LIMITS.clockSkewSecondsMax;

/**
 * The one act that is due next in a family, or nothing. Asked again after each act is done, until nothing is due.
 *
 * @param authorities - of the family, whatever their state.
 */
export function dueIn(authorities: readonly Authority[], { now, endOfNew, rotation, holds }: Given): Due | undefined {
  const useless = authorities.find((one) => isUseless(one, now, holds));
  if (useless !== undefined) return { kind: "remove", authority: useless };

  const prepared = newestIn("prepared", authorities);
  const active = signingAt(authorities, now, holds);
  if (active === undefined && prepared !== undefined) return activate(prepared);
  // An authority that ends before anything it signs could be used would be followed at once by the next authority, and
  // so on without end.
  if (active === undefined) return isWorthMaking(endOfNew, now) ? { kind: "create" } : undefined;
  if (now < prepareAt(active, rotation)) return undefined;
  // An authority that ends no later than the active one would have to be followed just as soon; an operator has to
  // renew the upstream authority.
  if (prepared === undefined) return endOfNew > active.expiresAt ? { kind: "prepare" } : undefined;
  return now < activatableAt(prepared, rotation) ? undefined : activate(prepared);
}

/** Whether an authority that ends at `endOfNew` could sign anything that is of use. */
export function isWorthMaking(endOfNew: UnixSeconds, now: UnixSeconds): boolean {
  // Written as "not enough", so that a NaN is refused.
  return endOfNew - now >= LIMITS.svidTtlSecondsMin;
}

function activate(authority: Authority): Due {
  return { kind: "activate", authority };
}

/** The authority that signs: of several active ones the newest, for a crash may have left two. */
export function signingAt(
  authorities: readonly Authority[],
  now: UnixSeconds,
  holds: (authorityId: string) => boolean,
): Authority | undefined {
  const usable = authorities.filter((one) => one.expiresAt > now && holds(one.authorityId));
  return newestIn("active", usable);
}

function newestIn(state: Authority["state"], authorities: readonly Authority[]): Authority | undefined {
  let newest: Authority | undefined;
  for (const one of authorities) {
    if (one.state === state && (newest === undefined || one.notBefore > newest.notBefore)) newest = one;
  }
  return newest;
}

/** The instant from which a prepared key may sign. */
export function activatableAt(
  prepared: Authority,
  { propagationSeconds }: Pick<Rotation, "propagationSeconds">,
): UnixSeconds {
  return addSeconds(prepared.stateSince ?? prepared.notBefore, propagationSeconds);
}

/** When the next key is prepared: early enough to sign before the end of the active key shortens any credential. */
function prepareAt({ notBefore, expiresAt }: Authority, rotation: Rotation): UnixSeconds {
  const share = notBefore + rotation.prepareShare * (expiresAt - notBefore);
  const latest = expiresAt - rotation.propagationSeconds - LIMITS.svidTtlSecondsMax;
  return Math.floor(Math.min(share, latest)) as UnixSeconds;
}

/** When nothing that an old authority signed can be accepted any longer. */
function removableAt({ stateSince, notBefore, expiresAt }: Authority): UnixSeconds {
  const signedLast = stateSince ?? notBefore;
  return addSeconds(
    Math.min(addSeconds(signedLast, LIMITS.svidTtlSecondsMax), expiresAt) as UnixSeconds,
    LENIENCE_SECONDS,
  );
}

function isUseless(authority: Authority, now: UnixSeconds, holds: (authorityId: string) => boolean): boolean {
  switch (authority.state) {
    case "prepared":
      return !holds(authority.authorityId) || authority.expiresAt <= now;
    case "active":
      // Nobody knows where a key is that is not here. What the key signed dies within minutes, and must not be believed
      // for longer.
      return !holds(authority.authorityId);
    case "old":
      return now >= removableAt(authority);
    case "removed":
      return false;
  }
}
