/**
 * Every reason for which Stint says no. The same words are the reasons on the wire (`stint.v1.Reason`), so the list is
 * closed: adding a code is a change of the contract.
 */
export const ERROR_CODES = [
  "NO_IDENTITY",
  "NOT_ENTITLED",
  "POLICY_DENIED",
  "GRANT_EXCEEDED",
  "STEP_NOT_FOUND",
  "STEP_CLOSED",
  "STEP_EXPIRING",
  "STALE_ATTEMPT",
  "STEP_EXISTS",
  "EXECUTOR_GONE",
  "ENTRY_NOT_FOUND",
  "DELEGATION_REFUSED",
  "CSR_INVALID",
  "KEY_REFUSED",
  "AUDIENCE_INVALID",
  "INVALID_FIELD",
  "REQUEST_ID_REUSED",
  "LIMIT_EXCEEDED",
  "LEDGER_UNAVAILABLE",
  "AUTHORITY_UNAVAILABLE",
  "NOT_SERVING",
  "DECISION_OUTDATED",
  "TOOL_NOT_ACCEPTED",
  "PRUNED",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** What a machine needs beside the code: `field`, `state`, `decision_id`. Values are safe to show. */
export type ErrorMetadata = Readonly<Record<string, string>>;

/**
 * The one error of the broker.
 *
 * `message` and `metadata` go to the caller and never hold a secret, a token, an internal path or another error's
 * text; `detail` and `cause` are for the log alone.
 */
export class BrokerError extends Error {
  override readonly name = "BrokerError";
  readonly code: ErrorCode;
  readonly metadata: ErrorMetadata;
  readonly detail: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { readonly metadata?: ErrorMetadata; readonly detail?: string; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.metadata = options.metadata ?? {};
    this.detail = options.detail;
  }
}

/** A refusal as a value, for code that is total and for batches that are answered item by item. */
export type Denial = {
  readonly kind: "denial";
  readonly code: ErrorCode;
  readonly message: string;
  readonly metadata: ErrorMetadata;
};

export function denial(code: ErrorCode, message: string, metadata: ErrorMetadata = {}): Denial {
  return { kind: "denial", code, message, metadata };
}

/** The error that says what a denial says. */
export function errorOf(refused: Denial): BrokerError {
  return new BrokerError(refused.code, refused.message, { metadata: refused.metadata });
}

/** A refusal that was thrown, as a value; anything else that was thrown is a bug or a fault, and is thrown on. */
export function denialFrom(thrown: unknown): Denial {
  if (thrown instanceof BrokerError) return denial(thrown.code, thrown.message, thrown.metadata);
  throw thrown;
}

export function isDenial(item: object): item is Denial {
  return "kind" in item && item.kind === "denial";
}

/** The refusal of a field's value: names the field and what was expected of it, and never repeats the value. */
export function invalidField(field: string, expected: string): BrokerError {
  return new BrokerError("INVALID_FIELD", `${field}: ${expected}`, { metadata: { field } });
}
