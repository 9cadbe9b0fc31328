/**
 * Every reason for which a presented SVID, or what is asked with it, is refused. Closed: adding one is a change of the
 * contract with whoever switches on it.
 */
export const VERIFICATION_CODES = [
  "TOKEN_MALFORMED",
  "ALGORITHM_REFUSED",
  "SUBJECT_INVALID",
  "KEY_UNKNOWN",
  "SIGNATURE_INVALID",
  "CLAIMS_INVALID",
  "CNF_UNVERIFIED",
  "AUDIENCE_MISMATCH",
  "ISSUER_MISMATCH",
  "EXPIRED",
  "NOT_YET_VALID",
  "REVOKED",
  "GRANT_EXCEEDED",
  "NOT_READY",
  "STALE",
  "CLOCK_SKEWED",
] as const;
export type VerificationCode = (typeof VERIFICATION_CODES)[number];

/**
 * Whose matter a refusal is. `token`: another token is needed (HTTP 401). `grant`: the token is good and does not permit
 * this (403). `verifier`: the verifier cannot tell at present, whatever the token (503).
 */
export type VerificationFault = "token" | "grant" | "verifier";

export const FAULT_OF = {
  TOKEN_MALFORMED: "token",
  ALGORITHM_REFUSED: "token",
  SUBJECT_INVALID: "token",
  KEY_UNKNOWN: "token",
  SIGNATURE_INVALID: "token",
  CLAIMS_INVALID: "token",
  CNF_UNVERIFIED: "token",
  AUDIENCE_MISMATCH: "token",
  ISSUER_MISMATCH: "token",
  EXPIRED: "token",
  NOT_YET_VALID: "token",
  REVOKED: "token",
  GRANT_EXCEEDED: "grant",
  NOT_READY: "verifier",
  STALE: "verifier",
  CLOCK_SKEWED: "verifier",
} as const satisfies Record<VerificationCode, VerificationFault>;

/**
 * The one error of verification. `message` is the verifier's own words alone: nothing of the token, no other error's
 * text, and no quotation mark, because some servers put it into a header's quoted string as it is.
 */
export class VerificationError extends Error {
  override readonly name = "VerificationError";
  readonly code: VerificationCode;
  /** For machines; of a `REVOKED`: `reason`, and the `state` in which the step ended. */
  readonly metadata: Readonly<Record<string, string>>;

  constructor(code: VerificationCode, message: string, metadata: Readonly<Record<string, string>> = {}) {
    super(message);
    this.code = code;
    this.metadata = metadata;
  }

  get fault(): VerificationFault {
    return FAULT_OF[this.code];
  }
}
