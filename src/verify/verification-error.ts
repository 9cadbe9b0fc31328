/**
 * Every reason for which a presented SVID, or what is asked with it, is refused. The list is closed: adding a code
 * changes the contract with all code that switches on it.
 */
export const VERIFICATION_CODES = [
  "TOKEN_MISSING",
  "REQUEST_MALFORMED",
  "TOKEN_MALFORMED",
  "CERTIFICATE_INVALID",
  "ALGORITHM_REFUSED",
  "SUBJECT_INVALID",
  "KEY_UNKNOWN",
  "SIGNATURE_INVALID",
  "CLAIMS_INVALID",
  "PROOF_REQUIRED",
  "PROOF_MISMATCH",
  "PROOF_INVALID",
  "PROOF_REPLAYED",
  "NONCE_REQUIRED",
  "AUDIENCE_MISMATCH",
  "ISSUER_MISMATCH",
  "EXPIRED",
  "NOT_YET_VALID",
  "REVOKED",
  "GRANT_EXCEEDED",
  "CHECK_REQUIRED",
  "POLICY_DENIED",
  "TOOL_NOT_ACCEPTED",
  "NOT_READY",
  "STALE",
  "CLOCK_SKEWED",
  "OVERLOADED",
  "UNAVAILABLE",
] as const;
export type VerificationCode = (typeof VERIFICATION_CODES)[number];

/**
 * What a refusal is about. `token`: another token is needed, or another proof (HTTP 401). `grant`: the token is good,
 * but does not permit this (403). `verifier`: the verifier cannot tell at present, whatever the token (503).
 */
export type VerificationFault = "token" | "grant" | "verifier";

export const FAULT_OF = {
  TOKEN_MISSING: "token",
  REQUEST_MALFORMED: "token",
  TOKEN_MALFORMED: "token",
  CERTIFICATE_INVALID: "token",
  ALGORITHM_REFUSED: "token",
  SUBJECT_INVALID: "token",
  KEY_UNKNOWN: "token",
  SIGNATURE_INVALID: "token",
  CLAIMS_INVALID: "token",
  PROOF_REQUIRED: "token",
  PROOF_MISMATCH: "token",
  PROOF_INVALID: "token",
  PROOF_REPLAYED: "token",
  NONCE_REQUIRED: "token",
  AUDIENCE_MISMATCH: "token",
  ISSUER_MISMATCH: "token",
  EXPIRED: "token",
  NOT_YET_VALID: "token",
  REVOKED: "token",
  GRANT_EXCEEDED: "grant",
  CHECK_REQUIRED: "grant",
  POLICY_DENIED: "grant",
  TOOL_NOT_ACCEPTED: "grant",
  NOT_READY: "verifier",
  STALE: "verifier",
  CLOCK_SKEWED: "verifier",
  OVERLOADED: "verifier",
  UNAVAILABLE: "verifier",
} as const satisfies Record<VerificationCode, VerificationFault>;

/**
 * The one error of verification. `message` is the verifier's own words alone: nothing of the token, no other error's
 * text, and no quotation mark, because some servers put it into a header's quoted string as it is.
 */
export class VerificationError extends Error {
  override readonly name = "VerificationError";
  readonly code: VerificationCode;
  /**
   * For machines. `REVOKED` has `reason`, and the `state` in which the step ended; `PROOF_REQUIRED` has `proof`;
   * `NONCE_REQUIRED` has `nonce`. What the broker itself has denied has `decision_id`, and `approval` where the role that it names
   * could approve it; a call that waits for that has `approval_id` and `pending_until`, RFC 3339. Every refusal of a request that comes with a WIT-SVID, its proof or a transaction token
   * has `credential`, which is `wit-svid`.
   */
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
