import { isObject, parseStrictObject } from "../domain/strict-json.ts";
import type { UnixSeconds } from "../domain/time.ts";
import type { IssuanceRow } from "../ports/ledger-reads.ts";
import { parseCompactJws, signedDigest } from "../verify/compact-jws.ts";
import type { Possession } from "../verify/confirmation-claim.ts";
import { type VerifiedJwtSvid, verifyJwtSvid } from "../verify/jwt-svid.ts";
import type { BundleSet } from "../verify/verification-keys.ts";

/**
 * A JWT-SVID that a verifier asks about, by the broker's own keys. What it is bound to is taken as proved: the proof was
 * made for the verifier, which has to check it.
 *
 * @param options.audiences - of the verifier that asks.
 * @throws VerificationError
 */
export function verifyPresented(
  token: string,
  options: { readonly audiences: readonly string[]; readonly bundles: BundleSet; readonly now: UnixSeconds },
): VerifiedJwtSvid {
  return verifyJwtSvid(token, {
    ...options,
    allowSeveralAudiences: true,
    // What is asked about is of the broker's own trust domain, and the broker knows what that is for.
    development: true,
    confirmation: claimedPossession(token),
  });
}

function claimedPossession(token: string): Possession {
  const confirmation = parseStrictObject(parseCompactJws(token).payload)?.["cnf"];
  return isObject(confirmation) ? (confirmation as Possession) : {};
}

/** Whether the token is the very one that was recorded, and not another token with the same `jti`. */
export function isRecordedAs(token: string, issuance: Pick<IssuanceRow, "toBeSignedSha256">): boolean {
  return signedDigest(token) === issuance.toBeSignedSha256;
}
