import { invalidField } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";

/**
 * Checks why an operator does something that concerns everybody.
 *
 * @throws BrokerError INVALID_FIELD `reason`
 */
export function checkRecordedReason(reason: string): void {
  if (reason !== "" && Buffer.byteLength(reason) <= LIMITS.purposeBytesMax) return;
  throw invalidField("reason", `why, in 1 to ${LIMITS.purposeBytesMax} bytes: it is recorded`);
}
