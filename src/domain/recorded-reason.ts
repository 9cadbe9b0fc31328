import { invalidField } from "./errors.ts";
import { LIMITS } from "./limits.ts";
import { isShowable } from "./showable-text.ts";

/**
 * Whether a text says why somebody did something: it is recorded, and shown to whoever looks later or waits for an answer.
 *
 * @returns whether it has 1 to `LIMITS.purposeBytesMax` bytes of UTF-8, and no control characters
 */
export function isReason(text: string): boolean {
  return text !== "" && isShowable(text, LIMITS.purposeBytesMax);
}

/** The same of each act that wants a reason. @throws BrokerError INVALID_FIELD `reason` */
export function checkReason(reason: string): string {
  if (isReason(reason)) return reason;
  throw invalidField("reason", `why, in 1 to ${LIMITS.purposeBytesMax} bytes without control characters`);
}
