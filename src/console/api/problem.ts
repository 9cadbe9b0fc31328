import { Code, ConnectError } from "@connectrpc/connect";
import { ERROR_INFO_TYPE, readErrorInfo } from "../../wire/error-info.ts";

/** What went wrong, as the page says it. */
export type Problem = {
  /** A name of stint.v1.Reason without its prefix; empty where no broker answered. */
  readonly reason: string;
  readonly message: string;
  /** The decision that refused, where there is one. */
  readonly decisionId: string | undefined;
  /** Whether nobody answered, so that it may go better in a moment. */
  readonly isAway: boolean;
};

export function problemOf(thrown: unknown): Problem {
  const { code, rawMessage, details } = ConnectError.from(thrown);
  const detail = details.find((one) => "type" in one && one.type === ERROR_INFO_TYPE);
  const info =
    detail !== undefined && "value" in detail && detail.value instanceof Uint8Array
      ? readErrorInfo(detail.value)
      : undefined;
  if (info === undefined) {
    const isAway = code === Code.Unavailable || code === Code.Unknown || code === Code.Internal;
    const message = isAway ? "the broker does not answer; this page asks again by itself" : rawMessage;
    return { reason: "", message, decisionId: undefined, isAway };
  }
  return {
    reason: info.reason,
    message: rawMessage,
    decisionId: info.metadata["decision_id"],
    isAway: code === Code.Unavailable,
  };
}
