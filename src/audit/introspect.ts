import { BrokerError } from "../domain/errors.ts";
import type { VerifierEntry } from "../domain/registration-entry.ts";
import { permits } from "../domain/step.ts";
import type { JsonObject } from "../domain/strict-json.ts";
import { secondsOf, type UnixSeconds } from "../domain/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { CredentialReads } from "../ports/credential-reads.ts";
import type { IssuanceRow } from "../ports/ledger-reads.ts";
import type { VerifiedJwtSvid } from "../verify/jwt-svid.ts";
import { VerificationError } from "../verify/verification-error.ts";
import type { BundleSet } from "../verify/verification-keys.ts";
import { isRecordedAs, verifyPresented } from "./presented-token.ts";

/** What a verifier is told of a token. Of a token that is not active the verifier is told this, and nothing more. */
export type Introspection = { readonly active: false } | ({ readonly active: true } & JsonObject);

export type IntrospectPorts = {
  readonly credentials: Pick<CredentialReads, "issuance">;
  /** The keys of this broker's own trust domain alone, as they are now. */
  readonly bundles: () => BundleSet;
  readonly ledgerIsDoubted: () => boolean;
  readonly clock: Clock;
};

/** Claims that the answer repeats from the token: those of the standards, and those of the step. */
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
  "workflow",
  "run_id",
  "step",
  "attempt",
  "step_id",
  "parent_step_id",
  "principal",
  "cnf",
] as const;

const INACTIVE: Introspection = { active: false };

/**
 * Whether a token may be honored by this verifier at this instant, and what the token says. The ledger itself is asked,
 * so a close that has returned is in the answer.
 *
 * `cnf` tells what a token is bound to; the verifier that asks has to check that the token's presenter possesses it.
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
  if (issuance === undefined || !isRecordedAs(token, issuance) || !isLive(issuance, now)) return INACTIVE;
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
    return verifyPresented(token, { audiences: verifier.content.audiences, bundles, now });
  } catch (thrown) {
    if (thrown instanceof VerificationError) return undefined;
    throw thrown;
  }
}

function isLive(issuance: IssuanceRow, now: UnixSeconds): boolean {
  const { undelivered, revokedAt, expiresAt, step } = issuance;
  return !undelivered && revokedAt === undefined && now < expiresAt && step !== undefined && permits(step.state);
}
