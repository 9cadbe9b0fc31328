import { BrokerError, type Denial, type ErrorCode, errorOf } from "../domain/errors.ts";

/** Refusals that only say that the step has ended, or that its executor is another by now. */
const STEP_IS_OVER: ReadonlySet<ErrorCode> = new Set([
  "STEP_CLOSED",
  "STEP_NOT_FOUND",
  "STEP_EXPIRING",
  "EXECUTOR_GONE",
]);

/**
 * What a workload is told that has no identity at present. The standard knows one answer to that, whatever there was before:
 * PermissionDenied.
 *
 * @param refused - why what it still has could not be issued, where there is something.
 * @param instead - what another contract asks to say.
 * @see SPIFFE Workload Endpoint section 6.2
 */
export function nothingLeft(refused?: Denial, instead: () => BrokerError = noIdentity): BrokerError {
  return refused === undefined || STEP_IS_OVER.has(refused.code) ? instead() : errorOf(refused);
}

function noIdentity(): BrokerError {
  return new BrokerError(
    "NO_IDENTITY",
    "the calling process has no identity at present: no open step that it executes",
  );
}
