import { type DenialDetails, DeniedError } from "../../domain/denial-details.ts";
import { BrokerError, type ErrorCode } from "../../domain/errors.ts";
import { type CallError, callErrorOf, whyUnreachable } from "../../wire/call-error.ts";
import { STINT_DOMAIN } from "../../wire/error-info.ts";

/** Why the SDK itself said no, without asking the broker. */
export const SDK_REASONS = [
  /** No endpoint was given, and `SPIFFE_ENDPOINT_SOCKET` is not set. */
  "NO_ENDPOINT",
  /** The evidence for an attestation could not be had: its function threw, or its file can't be read. */
  "NO_EVIDENCE",
  /** Nobody sends this process credentials: no descriptor is named, or none that it has. */
  "NO_CREDENTIALS",
  /** Nobody answered at the endpoint, or not in time: what was asked for may or may not have been done. */
  "UNREACHABLE",
  /** The broker failed without a reason of its own, or answered what cannot be. */
  "BROKER_FAILED",
  /** The broker does not know what it was asked: it is older than this SDK, or serves that at another endpoint. */
  "UNIMPLEMENTED",
  /** The hold of a step was lost for longer than the broker keeps a step without one. */
  "HOLD_LOST",
  /** Nobody approved a step within the time that its opener waits for. The request was taken back. */
  "APPROVAL_TIMEOUT",
  /** `stint.fetch` was called outside of every `withStep`. */
  "NO_CURRENT_STEP",
  /** No location of the step's grant is a prefix of the URL. */
  "NO_LOCATION",
  /** The caller of `fetch` gave an Authorization header of its own. */
  "AUTHORIZATION_GIVEN",
  /** The server answered with a redirect, to which no credential is sent. Metadata: `status`. */
  "REDIRECT_REFUSED",
] as const;
export type SdkReason = (typeof SDK_REASONS)[number];

/** A reason that a newer broker may give. */
type UnknownReason = string & Record<never, never>;

/** A caller that meets a reason it does not know takes it for a refusal. */
export type StintReason = ErrorCode | SdkReason | UnknownReason;

/** What comes with a reason, where something does. Values are the broker's, and may be missing from another version. */
export type MetadataOf<Reason> = Reason extends "POLICY_DENIED"
  ? { readonly decision_id?: string; readonly approval?: string }
  : Reason extends "STEP_CLOSED"
    ? { readonly state?: string; readonly cause?: string }
    : Reason extends "INVALID_FIELD"
      ? { readonly field?: string }
      : Reason extends "REDIRECT_REFUSED"
        ? { readonly status?: string }
        : Readonly<Record<string, string>>;

/** Reasons that say "not now" rather than "no". */
const PASSING: readonly string[] = [
  "UNREACHABLE",
  "LEDGER_UNAVAILABLE",
  "AUTHORITY_UNAVAILABLE",
  "NOT_SERVING",
  "DECISION_OUTDATED",
] satisfies readonly (ErrorCode | SdkReason)[];

/** Everything the runtime SDK throws of its own. `message` and `metadata` never hold a credential. */
export class StintError extends Error {
  override readonly name = "StintError";
  readonly reason: StintReason;
  readonly metadata: Readonly<Record<string, string>>;
  /** What was refused of a step's request and by whom, and whether asking for approval can help; of a recorded denial. */
  readonly denial: DenialDetails | undefined;

  constructor(
    reason: StintReason,
    message: string,
    options: {
      readonly metadata?: Readonly<Record<string, string>>;
      readonly denial?: DenialDetails | undefined;
      readonly cause?: unknown;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.reason = reason;
    this.metadata = options.metadata ?? {};
    this.denial = options.denial;
  }

  /** The same request may succeed later. False for every reason that this version does not know. */
  get retryable(): boolean {
    return PASSING.includes(this.reason);
  }
}

/**
 * Whether something caught is a StintError, and of this reason when one is given; narrows `reason` and `metadata`.
 *
 * @example
 * if (isStintError(error, "POLICY_DENIED")) console.error(`stint history decisions --id ${error.metadata.decision_id}`);
 */
export function isStintError<Reason extends ErrorCode | SdkReason>(
  thrown: unknown,
  reason?: Reason,
): thrown is StintError & { readonly reason: Reason; readonly metadata: MetadataOf<Reason> } {
  return thrown instanceof StintError && (reason === undefined || thrown.reason === reason);
}

/** The one door for whatever a call to the broker threw. Never throws. */
export function stintErrorOf(thrown: unknown): StintError {
  if (thrown instanceof StintError) return thrown;
  if (thrown instanceof BrokerError) {
    const denial = thrown instanceof DeniedError ? thrown.denial : undefined;
    return new StintError(thrown.code, thrown.message, { metadata: thrown.metadata, denial, cause: thrown });
  }
  return refusalOf(callErrorOf(thrown));
}

function refusalOf(error: CallError): StintError {
  const { info } = error;
  if (error.unreachable) {
    return new StintError("UNREACHABLE", `the broker does not answer: ${whyUnreachable(error)}`, { cause: error });
  }
  if (error.isUnknownMethod) return new StintError("UNIMPLEMENTED", error.message, { cause: error });
  if (info === undefined || info.domain !== STINT_DOMAIN || info.reason === "") {
    return new StintError("BROKER_FAILED", `the broker failed: ${error.codeName}`, { cause: error });
  }
  const { denial } = error;
  return new StintError(info.reason, error.message, { metadata: info.metadata, denial, cause: error });
}

/** What ends everything about a step that is no longer open. */
export function stepClosed(stepId: string, state: string): StintError {
  return new StintError("STEP_CLOSED", `step ${stepId} is closed: ${state}`, { metadata: { state } });
}
