import { type Denial, denial } from "./errors.ts";
import { LIMITS } from "./limits.ts";
import { addSeconds, type UnixSeconds } from "./time.ts";

/** When a credential holds: from `notBefore` up to, and not including, `expiresAt`. */
export type Validity = { readonly kind: "validity"; readonly notBefore: UnixSeconds; readonly expiresAt: UnixSeconds };

/**
 * The validity of an SVID minted at `now`: it ends with its profile, its step or its authority, whichever is first.
 *
 * @param input.ttlSeconds - asked lifetime; clamped to `LIMITS.svidTtlSecondsMin..Max`.
 * @param input.stepExpiresAt - end of the step, Unix seconds; absent for infrastructure.
 * @param input.authorityExpiresAt - end of the signing authority; an SVID must not outlive its issuer.
 * @param input.backdateSeconds - how many seconds before `now` the SVID already holds.
 * @returns a validity of at least `LIMITS.svidTtlSecondsMin` seconds, or a denial. Never throws.
 * @see RFC 5280 section 4.1.2.5, RFC 7519 section 4.1.4
 */
export function validityFor(
  now: UnixSeconds,
  input: {
    readonly ttlSeconds: number;
    readonly stepExpiresAt?: UnixSeconds;
    readonly authorityExpiresAt: UnixSeconds;
    readonly backdateSeconds: number;
  },
): Validity | Denial {
  const ttlSeconds = Math.min(Math.max(input.ttlSeconds, LIMITS.svidTtlSecondsMin), LIMITS.svidTtlSecondsMax);
  const stepExpiresAt = input.stepExpiresAt ?? Number.POSITIVE_INFINITY;
  const expiresAt = Math.min(addSeconds(now, ttlSeconds), stepExpiresAt, input.authorityExpiresAt) as UnixSeconds;

  // Written as "not enough" rather than "too little", so that a NaN from a bad caller is refused and not minted.
  if (!(expiresAt - now >= LIMITS.svidTtlSecondsMin)) {
    return stepExpiresAt <= input.authorityExpiresAt
      ? denial("STEP_EXPIRING", `the step has less than ${LIMITS.svidTtlSecondsMin} s left`)
      : denial("AUTHORITY_UNAVAILABLE", "the signing authority is about to expire");
  }
  return { kind: "validity", notBefore: addSeconds(now, -input.backdateSeconds), expiresAt };
}

/**
 * The X.509 `notAfter` of a validity.
 *
 * X.509 counts `notAfter` as still valid, JWT counts `exp` as already expired. The domain keeps the exclusive end
 * and subtracts here, so that the two SVIDs of one step die in the same second.
 */
export function notAfterOf(validity: { readonly expiresAt: UnixSeconds }): UnixSeconds {
  return addSeconds(validity.expiresAt, -1);
}
