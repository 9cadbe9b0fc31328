import { sha256Hex } from "../domain/digest.ts";
import { LIMITS } from "../domain/limits.ts";
import type { PrincipalName } from "../domain/principal.ts";
import { TAKEN_EVENTS } from "../domain/security-event.ts";
import { isObject, type JsonObject } from "../domain/strict-json.ts";
import { addSeconds, secondsOf } from "../domain/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { InForce } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { PrincipalVault } from "../ports/principal-vault.ts";
import type { RefusedEvent, SecurityEvents } from "../ports/security-events.ts";

export type ReceiveEventPorts = {
  readonly securityEvents: SecurityEvents;
  readonly principals: Pick<PrincipalVault, "idOf">;
  readonly ledger: Pick<Ledger, "perform">;
  readonly inForce: InForce;
  readonly clock: Clock;
};

/** An event older than this is refused, and one that was taken is known again for as long: over any outage that is noticed. */
const EVENT_SECONDS_MAX = 7 * 86_400;

/**
 * Takes a security event of an identity provider. A session that was revoked ends what is open for the principal, and a login
 * opens more; an account that was disabled or purged offboards the principal. An event about anything else changes nothing.
 *
 * @returns the refusal; nothing once what the event asks for is in force.
 * @throws BrokerError NOT_SERVING, LEDGER_UNAVAILABLE: the event is to be sent again
 * @see RFC 8935 section 2, CAEP 1.0 section 3.1, RISC 1.0 section 2
 */
export async function receiveEvent(token: string, ports: ReceiveEventPorts): Promise<RefusedEvent | undefined> {
  const { ledger, clock } = ports;
  const verified = await ports.securityEvents.verify(token);
  if (verified.kind === "refused") return verified;
  const { issuer, jti, issuedAt, event, subject } = verified;
  const expiresAt = addSeconds(issuedAt, EVENT_SECONDS_MAX);
  const now = clock.now();
  if (expiresAt <= secondsOf(now)) return refused("iat: expected an event of the last seven days");
  const effect = TAKEN_EVENTS[event];
  if (effect === undefined) return undefined;
  const principal = principalIn(subject);
  // Of a subject by any other name nobody here is known.
  if (principal === undefined) return undefined;
  // One identity provider must not end what is done for the people of another.
  if (principal.iss !== issuer) return refused("sub_id: expected a subject of the event's own issuer");
  const { sequence } = await ledger.perform({
    act: "take-security-event",
    event: {
      sha256: sha256Hex(Buffer.from(JSON.stringify(["security-event", issuer, jti]))),
      ...{ issuer, event, effect },
      principalId: ports.principals.idOf(principal),
    },
    expiresAt,
    now,
  });
  if (sequence > 0) await ports.inForce(sequence);
  return undefined;
}

/** The user by issuer and subject, alone or as part of a complex subject. RFC 9493 section 3.2.4, SSF 1.0 section 3.2 */
function principalIn(subject: JsonObject): PrincipalName | undefined {
  const { user } = subject;
  const named = subject["format"] === "complex" && isObject(user) ? user : subject;
  const { format, iss, sub } = named;
  if (format !== "iss_sub" || typeof iss !== "string" || typeof sub !== "string" || sub === "") return undefined;
  return Buffer.byteLength(sub) <= LIMITS.principalSubjectBytesMax ? { iss, sub } : undefined;
}

function refused(description: string): RefusedEvent {
  return { kind: "refused", err: "invalid_request", description };
}
