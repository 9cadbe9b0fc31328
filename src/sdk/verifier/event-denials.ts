import { LIMITS } from "../../domain/limits.ts";
import { DENIED_AFTER_EXPIRY_SECONDS } from "../../domain/revocation.ts";
import { SENT_EVENTS, VERIFICATION_EVENT } from "../../domain/security-event.ts";
import { isObject } from "../../domain/strict-json.ts";
import type { VerifiedSecurityEvent } from "../../verify/security-event-token.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { type DenyListEntry, jwtKey, stepKey } from "./deny-list.ts";

/** What an event tells a verifier. */
export type Told =
  | { readonly kind: "denial"; readonly entry: DenyListEntry }
  /** That the stream works, with the text that somebody has asked for. */
  | { readonly kind: "verification"; readonly state: unknown }
  /** Of a certificate, which is not taken by events at all. */
  | { readonly kind: "certificate" };

/** After the end of a step nothing is issued for it, so this long after it no credential of it could be valid. */
const REMEMBERED_MS = (LIMITS.svidTtlSecondsMax + DENIED_AFTER_EXPIRY_SECONDS) * 1_000;

/**
 * What a security event denies.
 *
 * @param nowMs - Unix milliseconds: not before the event came.
 * @throws VerificationError CLAIMS_INVALID for an event that names nothing that this version knows: what was meant to be denied would be let in
 * @see CAEP 1.0 sections 3.1 and 3.3, RFC 9493 section 3, SSF 1.0 sections 3 and 8.1.4.1
 */
export function toldBy({ event, said, subject, issuedAt }: VerifiedSecurityEvent, nowMs: number): Told {
  if (event === VERIFICATION_EVENT) return { kind: "verification", state: said["state"] };
  if (event === SENT_EVENTS.credentialChange) return { kind: "certificate" };
  const forgetAfterMs = Math.max(nowMs, issuedAt * 1_000) + REMEMBERED_MS;
  const common = { reason: "unspecified", sequence: 0n, forgetAfterMs };
  const { format, iss, jti, session } = subject;
  if (event === SENT_EVENTS.sessionRevoked) {
    if (format === "jwt_id" && typeof iss === "string" && typeof jti === "string") {
      return { kind: "denial", entry: { ...common, keys: [jwtKey(iss, jti)], state: undefined } };
    }
    const id = format === "complex" && isObject(session) && session["format"] === "opaque" ? session["id"] : undefined;
    // An event does not say in which state the step ended.
    if (typeof id === "string") return { kind: "denial", entry: { ...common, keys: [stepKey(id)], state: "UNKNOWN" } };
  }
  throw new VerificationError("CLAIMS_INVALID", "claims of the security event: expected one that is known here");
}
