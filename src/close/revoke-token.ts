import type { Actor } from "../domain/actor.ts";
import { parseStrictObject } from "../domain/strict-json.ts";
import { secondsOf } from "../domain/time.ts";
import { parseCompactJws, signedDigest } from "../verify/compact-jws.ts";
import { VerificationError } from "../verify/verification-error.ts";
import { type RevokePorts, revoke } from "./revoke.ts";

/**
 * Takes back the very token that is presented, its step staying open. It is known by the digest of what was signed, so no
 * signature has to be checked; what is no token of this broker's, or has expired, changes nothing.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE
 * @see RFC 7009 section 2.2
 */
export async function revokeToken(token: string, by: Actor, ports: RevokePorts): Promise<void> {
  const jti = jtiIn(token);
  if (jti === undefined) return;
  const issuance = await ports.credentials.issuance({ jti });
  if (issuance === undefined || signedDigest(token) !== issuance.toBeSignedSha256) return;
  if (issuance.expiresAt <= secondsOf(ports.clock.now())) return;
  await revoke({ kind: "jti", jti }, { reason: "privilegeWithdrawn", dryRun: false, by }, ports);
}

function jtiIn(token: string): string | undefined {
  try {
    const jti = parseStrictObject(parseCompactJws(token).payload)?.["jti"];
    return typeof jti === "string" ? jti : undefined;
  } catch (thrown) {
    if (thrown instanceof VerificationError) return undefined;
    throw thrown;
  }
}
