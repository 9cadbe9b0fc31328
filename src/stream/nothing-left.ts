import { BrokerError, type Denial, type ErrorCode, errorOf } from "../domain/errors.ts";

/** Refusals that only say that the step has ended, or that its executor is gone. */
const STEP_IS_OVER: ReadonlySet<ErrorCode> = new Set([
  "STEP_CLOSED",
  "STEP_NOT_FOUND",
  "STEP_EXPIRING",
  "EXECUTOR_GONE",
]);

/**
 * What a workload without an identity is told. The standard has one answer, whatever identities there were before:
 * PermissionDenied.
 *
 * @param refused - why no SVID could be issued for an identity that the workload still has; absent where it has none.
 * @param instead - the answer that another contract asks for.
 * @see SPIFFE Workload Endpoint section 6.2
 */
export function nothingLeft(refused?: Denial, instead: () => BrokerError = noIdentity): BrokerError {
  return refused === undefined || STEP_IS_OVER.has(refused.code) ? instead() : errorOf(refused);
}

export function noIdentity(): BrokerError {
  return new BrokerError(
    "NO_IDENTITY",
    "the calling process has no identity at present: no open step that it executes",
  );
}
