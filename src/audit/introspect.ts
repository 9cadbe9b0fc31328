import { sha256Hex } from "../domain/digest.ts";
import { BrokerError } from "../domain/errors.ts";
import type { VerifierEntry } from "../domain/registration-entry.ts";
import { permits } from "../domain/step.ts";
import { isObject, type JsonObject, parseStrictObject } from "../domain/strict-json.ts";
import { secondsOf, type UnixSeconds } from "../domain/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { CredentialReads, IssuanceRow } from "../ports/ledger-reads.ts";
import { parseCompactJws } from "../verify/compact-jws.ts";
import type { Possession } from "../verify/confirmation-claim.ts";
import { type VerifiedJwtSvid, verifyJwtSvid } from "../verify/jwt-svid.ts";
import { VerificationError } from "../verify/verification-error.ts";
import type { BundleSet } from "../verify/verification-keys.ts";

/** What a verifier is told of a token. Of one that is not active it is told that, and nothing more. */
export type Introspection = { readonly active: false } | ({ readonly active: true } & JsonObject);

export type IntrospectPorts = {
  readonly credentials: Pick<CredentialReads, "issuance">;
  /** This broker's own trust domain alone, as it is now. */
  readonly bundles: () => BundleSet;
  readonly ledgerIsDoubted: () => boolean;
  readonly clock: Clock;
};

/** Claims that the answer has as the token has them; the rest is of use to those who know what a step is. */
const TOLD = [
  "scope",
  "client_id",
  "sub",
  "aud",
  "iss",
  "exp",
  "iat",
  "nbf",
  "jti",
  "txn",
  "authorization_details",
  "cnf",
] as const;

const INACTIVE: Introspection = { active: false };

/**
 * Whether a token may be honored by this verifier at this instant, and what it says. Asked of the ledger itself: a close
 * that has returned is in the answer.
 *
 * To what a token is bound is told in `cnf`; that its presenter possesses that is for the asking verifier to see.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE; NOT_SERVING while the ledger may not know of all that was revoked
 * @see RFC 7662 section 2.2, RFC 8705 section 3.2, RFC 9396 section 9.2
 */
export async function introspect(
  token: string,
  verifier: VerifierEntry,
  ports: IntrospectPorts,
): Promise<Introspection> {
  if (ports.ledgerIsDoubted()) throw new BrokerError("NOT_SERVING", "the ledger can't be relied on at present");
  const now = secondsOf(ports.clock.now());
  const verified = verifiedOrNothing(token, verifier, ports.bundles(), now);
  if (verified?.jti === undefined) return INACTIVE;
  const issuance = await ports.credentials.issuance({ jti: verified.jti });
  if (issuance === undefined || !isOf(token, issuance) || !isLive(issuance, now)) return INACTIVE;
  const told = TOLD.filter((name) => verified.claims[name] !== undefined).map((name) => [name, verified.claims[name]]);
  const isDpop = verified.confirmation !== undefined && "jkt" in verified.confirmation;
  return { active: true, ...Object.fromEntries(told), token_type: isDpop ? "DPoP" : "Bearer" };
}

function verifiedOrNothing(
  token: string,
  verifier: VerifierEntry,
  bundles: BundleSet,
  now: UnixSeconds,
): VerifiedJwtSvid | undefined {
  try {
    return verifyJwtSvid(token, {
      bundles,
      audiences: verifier.content.audiences,
      allowSeveralAudiences: true,
      development: true,
      now,
      confirmation: claimedPossession(token),
    });
  } catch (thrown) {
    if (thrown instanceof VerificationError) return undefined;
    throw thrown;
  }
}

/** What the token asks its presenter for, taken as given: the verifier is told of it, and asks for it itself. */
function claimedPossession(token: string): Possession {
  const confirmation = parseStrictObject(parseCompactJws(token).payload)?.["cnf"];
  return isObject(confirmation) ? (confirmation as Possession) : {};
}

/** The very token that was recorded, not one that merely bears its number. */
function isOf(token: string, issuance: IssuanceRow): boolean {
  return sha256Hex(Buffer.from(token.slice(0, token.lastIndexOf(".")), "latin1")) === issuance.toBeSignedSha256;
}

function isLive(issuance: IssuanceRow, now: UnixSeconds): boolean {
  const { undelivered, revokedAt, expiresAt, step } = issuance;
  return !undelivered && revokedAt === undefined && now < expiresAt && step !== undefined && permits(step.state);
}
