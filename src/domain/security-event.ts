import { isObject } from "./strict-json.ts";
import type { UnixSeconds } from "./time.ts";

/** The events that this broker sends, by the URI that names them. CAEP 1.0 sections 3.1 and 3.3, SSF 1.0 section 8.1.4 */
export const SENT_EVENTS = {
  sessionRevoked: "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
  credentialChange: "https://schemas.openid.net/secevent/caep/event-type/credential-change",
} as const;

export const VERIFICATION_EVENT = "https://schemas.openid.net/secevent/ssf/event-type/verification";

/** Whom or what an event is about. RFC 9493 section 3, SSF 1.0 section 3 */
export type SubjectId =
  | { readonly format: "opaque"; readonly id: string }
  | { readonly format: "jwt_id"; readonly iss: string; readonly jti: string }
  | { readonly format: "complex"; readonly session: { readonly format: "opaque"; readonly id: string } };

/** What a security event token says. */
export type SecurityEventFacts = {
  readonly issuer: string;
  /** Who is told. */
  readonly audience: string;
  readonly jti: string;
  readonly issuedAt: UnixSeconds;
  /** Shared by all tokens that have the same cause. */
  readonly txn?: string;
  readonly subject: SubjectId;
  /** URI of the one event. */
  readonly event: string;
  readonly said: Readonly<Record<string, unknown>>;
};

/**
 * No `sub` and no `exp`, so that the token can't pass for one that identifies somebody.
 *
 * @see RFC 8417 section 2.2, SSF 1.0 section 4
 */
export function securityEventClaims({
  issuer,
  audience,
  jti,
  issuedAt,
  txn,
  subject,
  event,
  said,
}: SecurityEventFacts) {
  return {
    iss: issuer,
    aud: audience,
    jti,
    iat: issuedAt,
    ...(txn === undefined ? {} : { txn }),
    sub_id: subject,
    events: { [event]: said },
  };
}

const ERROR_CODE = /^[a-z_]{1,64}$/;

/**
 * The code by which a receiver says why it does not take an event, as operators are told it; other texts of a receiver are
 * not repeated. RFC 8935 section 2.4
 */
export function errorCodeIn(said: unknown): string | undefined {
  const code = isObject(said) ? said["err"] : undefined;
  return typeof code === "string" && ERROR_CODE.test(code) ? code : undefined;
}

/** What an event of an identity provider does to the principal that it is about. */
export const TAKEN_EVENTS: Readonly<Record<string, TakenEvent["effect"]>> = {
  [SENT_EVENTS.sessionRevoked]: "end",
  "https://schemas.openid.net/secevent/risc/event-type/account-disabled": "offboard",
  "https://schemas.openid.net/secevent/risc/event-type/account-purged": "offboard",
};

/** An event of an identity provider as it is recorded. It names nobody: see `RecordedPrincipal`. */
export type TakenEvent = {
  /** Of issuer and `jti`, hexadecimal. */
  readonly sha256: string;
  readonly issuer: string;
  /** URI of the event. */
  readonly event: string;
  readonly principalId: string;
  readonly effect: "end" | "offboard";
};
