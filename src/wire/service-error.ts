import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { DeniedError } from "../domain/denial-details.ts";
import { BrokerError } from "../domain/errors.ts";
import { DENIAL_DETAILS_TYPE, encodeDenialDetails } from "./denial-details.ts";
import {
  type ErrorInfo,
  encodeStatusDetails,
  STATUS_DETAILS_KEY,
  STINT_DOMAIN,
  type StatusDetail,
} from "./error-info.ts";
import { STATUS_OF } from "./status-of.ts";

/**
 * What a handler answers for anything it caught: a BrokerError with its code, message and ErrorInfo, and with DenialDetails
 * where a recorded decision stands behind it; any other error as INTERNAL without a word of its text, which may hold what the caller must not see.
 *
 * A stream is ended with this error by `call.emit("error", …)`: grpc-js sends no status for a stream that is destroyed.
 */
export function serviceErrorOf(thrown: unknown): ServiceError {
  if (!(thrown instanceof BrokerError)) {
    return serviceError({ code: status.INTERNAL, message: "internal error" });
  }
  const { code, message, metadata } = thrown;
  const details =
    thrown instanceof DeniedError ? [{ type: DENIAL_DETAILS_TYPE, value: encodeDenialDetails(thrown.denial) }] : [];
  const info = { reason: code, domain: STINT_DOMAIN, metadata };
  return serviceError({ code: STATUS_OF[code], message, info, details });
}

/** An error in any domain, e.g. `spiffe.io` on the published contracts. */
export function serviceError(answer: {
  readonly code: status;
  readonly message: string;
  readonly info?: ErrorInfo;
  readonly details?: readonly StatusDetail[];
}): ServiceError {
  const metadata = new Metadata();
  const { code, message, info, details } = answer;
  if (info !== undefined) {
    metadata.set(STATUS_DETAILS_KEY, Buffer.from(encodeStatusDetails(code, message, info, details)));
  }
  return Object.assign(new Error(message), { code, details: message, metadata });
}
