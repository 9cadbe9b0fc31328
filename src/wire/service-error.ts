import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { BrokerError } from "../domain/errors.ts";
import { type ErrorInfo, encodeStatusDetails, STATUS_DETAILS_KEY, STINT_DOMAIN } from "./error-info.ts";
import { STATUS_OF } from "./status-of.ts";

/**
 * What a handler answers for anything it caught: a BrokerError with its code, message and ErrorInfo; any other error as
 * INTERNAL without a word of its text, which may hold what the caller must not see.
 *
 * A stream is ended with this error by `call.emit("error", …)`: grpc-js sends no status for a stream that is destroyed.
 */
export function serviceErrorOf(thrown: unknown): ServiceError {
  if (!(thrown instanceof BrokerError)) {
    return serviceError({ code: status.INTERNAL, message: "internal error" });
  }
  const { code, message, metadata } = thrown;
  return serviceError({ code: STATUS_OF[code], message, info: { reason: code, domain: STINT_DOMAIN, metadata } });
}

/** An error in any domain, e.g. `spiffe.io` on the published contracts. */
export function serviceError(answer: {
  readonly code: status;
  readonly message: string;
  readonly info?: ErrorInfo;
}): ServiceError {
  const metadata = new Metadata();
  if (answer.info !== undefined) {
    metadata.set(STATUS_DETAILS_KEY, Buffer.from(encodeStatusDetails(answer.code, answer.message, answer.info)));
  }
  return Object.assign(new Error(answer.message), { code: answer.code, details: answer.message, metadata });
}
