import { type ServiceError, status } from "@grpc/grpc-js";
import { BrokerError, type ErrorCode } from "../../domain/errors.ts";
import { serviceError, serviceErrorOf } from "../../wire/service-error.ts";

/** Whose reasons these are: the published contract's. */
const SPIFFE_DOMAIN = "spiffe.io";

/** Of a workload that is not there any more, whatever ended it. */
const OVER: ReadonlySet<ErrorCode> = new Set(["STEP_NOT_FOUND", "STEP_CLOSED", "STEP_EXPIRING", "EXECUTOR_GONE"]);

/**
 * What the SPIFFE Broker API answers: the standard's own reasons for what concerns the reference, and ours for the rest.
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
