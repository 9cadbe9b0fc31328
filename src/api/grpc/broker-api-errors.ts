import { type ServiceError, status } from "@grpc/grpc-js";
import { BrokerError, type ErrorCode } from "../../domain/errors.ts";
import { serviceError, serviceErrorOf } from "../../wire/service-error.ts";

/** The domain of the standard's reasons, by the published contract. */
const SPIFFE_DOMAIN = "spiffe.io";

/** Codes for a workload that is not there any more, whatever ended it. */
const OVER: ReadonlySet<ErrorCode> = new Set(["STEP_NOT_FOUND", "STEP_CLOSED", "STEP_EXPIRING", "EXECUTOR_GONE"]);

/**
 * The error that the SPIFFE Broker API answers with: errors about the reference have the standard's own reasons, all
 * others ours.
 *
 * @see SPIFFE Broker API section 4.8
 */
export function brokerApiErrorOf(thrown: unknown): ServiceError {
  if (!(thrown instanceof BrokerError)) return serviceErrorOf(thrown);
  const { code, message, metadata } = thrown;
  const answer = (grpc: status, reason: string) =>
    serviceError({ code: grpc, message, info: { reason, domain: SPIFFE_DOMAIN, metadata } });
  if (OVER.has(code)) return answer(status.NOT_FOUND, "WORKLOAD_NOT_FOUND");
  if (code === "NOT_ENTITLED") return answer(status.PERMISSION_DENIED, "WORKLOAD_NOT_ENTITLED");
  if (code === "INVALID_FIELD" && metadata["field"]?.startsWith("reference") === true) {
    return answer(status.INVALID_ARGUMENT, "WORKLOAD_REFERENCE_INVALID");
  }
  return serviceErrorOf(thrown);
}
