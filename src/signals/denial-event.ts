import type { RevocationReason } from "../domain/revocation.ts";
import { SENT_EVENTS, type SecurityEventFacts } from "../domain/security-event.ts";
import { secondsOf } from "../domain/time.ts";
import type { DenyEntry } from "../ports/ledger-reads.ts";

/** What is said of a denial, to whomever. */
export type SaidEvent = Pick<SecurityEventFacts, "event" | "subject" | "said">;

const REASONS = {
  unspecified: "no reason was given",
  keyCompromise: "a key was compromised",
  cACompromise: "the key of the issuer was compromised",
  affiliationChanged: "the holder's affiliation changed",
  superseded: "a newer one takes its place",
  cessationOfOperation: "the work has ended",
  privilegeWithdrawn: "the privilege was withdrawn",
} as const satisfies Record<RevocationReason, string>;

/**
 * The event of a denial. A step is a session, named as the `step_id` claim of its tokens names it: whoever was never
 * presented one learns nothing of run, step or agent. A token is named by issuer and `jti`, a certificate by its serial number.
 *
 * @see CAEP 1.0 sections 2, 3.1 and 3.3; RFC 9493 section 3; SSF 1.0 section 3
 */
export function eventOf({ subject, reason, deniedAt }: DenyEntry, issuer: string): SaidEvent {
  const common = { event_timestamp: secondsOf(deniedAt), reason_admin: { en: REASONS[reason] } };
  switch (subject.kind) {
    case "step":
      return {
        event: SENT_EVENTS.sessionRevoked,
        subject: { format: "complex", session: { format: "opaque", id: subject.stepId } },
        said: common,
      };
    case "jwt":
      return {
        event: SENT_EVENTS.sessionRevoked,
        subject: { format: "jwt_id", iss: issuer, jti: subject.jti },
        said: common,
      };
    case "certificate":
      return {
        event: SENT_EVENTS.credentialChange,
        subject: { format: "opaque", id: subject.serialNumber },
        said: { credential_type: "x509", change_type: "revoke", x509_serial: subject.serialNumber, ...common },
      };
  }
}
