import { BrokerError } from "../domain/errors.ts";
import { secondsOf } from "../domain/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { AuthorityDirectory } from "../ports/directories.ts";
import type { Signer } from "../ports/signer.ts";
import type { PendingEvent } from "./outboxes.ts";

export type SignEventPorts = {
  readonly authorities: Pick<AuthorityDirectory, "active">;
  readonly signer: Pick<Signer, "signSecurityEvent">;
  readonly clock: Pick<Clock, "now">;
  readonly issuer: string;
};

/**
 * The security event token of a pending event.
 *
 * @param audience - the receiver's SPIFFE ID.
 * @throws BrokerError AUTHORITY_UNAVAILABLE
 */
export function signEvent(
  { event, subject, said, jti, txn }: PendingEvent,
  audience: string,
  { authorities, signer, clock, issuer }: SignEventPorts,
): Promise<string> {
  const authority = authorities.active("events");
  if (authority === undefined) throw new BrokerError("AUTHORITY_UNAVAILABLE", "no authority for events is active");
  return signer.signSecurityEvent(authority.authorityId, {
    issuer,
    audience,
    jti,
    issuedAt: secondsOf(clock.now()),
    ...(txn === undefined ? {} : { txn }),
    event,
    subject,
    said,
  });
}
