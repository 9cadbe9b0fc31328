import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Action } from "../../domain/grant.ts";
import { Authorizations, type CheckResponse } from "../../gen/stint/v1/authorizations_pb.js";
import { Effect } from "../../gen/stint/v1/history_pb.js";
import { type VerificationCode, VerificationError } from "../../verify/verification-error.ts";
import { callErrorOf } from "../../wire/call-error.ts";
import { lateClient } from "./late-client.ts";

/** What a call came with, for the broker to look at. */
export type PresentedTexts =
  | { readonly case: "jwtSvid"; readonly value: string }
  | { readonly case: "witSvid"; readonly value: { readonly witSvid: string; readonly txnToken: string } };

export type AskedCall = {
  readonly credential: PresentedTexts;
  readonly location: string;
  readonly tool: string;
  readonly actions: readonly Action[];
  readonly datatypes: readonly string[];
  /** Hexadecimal. */
  readonly definitionSha256?: string;
};

export type CheckOptions = {
  /** Of the call's arguments, as `argumentsSha256` makes it; for the record, and for approvals of this very call. */
  readonly argumentsSha256?: Uint8Array;
  /**
   * What policies hold back until an operator approves it, is put to the operators. The call is denied all the same, with
   * `approval_id` and `pending_until`, and allowed once when it is asked about again with an approval. Needs
   * `argumentsSha256`. Default: false.
   */
  readonly acceptPending?: boolean;
  /** How long the broker may take, in milliseconds. Default: 2,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
};

/** A call that the broker has allowed, and counted. */
export type CheckedCall = {
  /** By which it is found in the broker's history. */
  readonly decisionId: string;
  /** How many more such calls the grant allows; absent where it does not say how many. */
  readonly callsLeft?: number;
};

export type CallCheck = {
  /** @throws VerificationError for anything but an allow; the signal's reason */
  ask(call: AskedCall, options: CheckOptions): Promise<CheckedCall>;
  close(): void;
};

/** A local socket answers within milliseconds, fsync included; what takes longer is no answer to a call that waits. */
const TIMEOUT_MS_DEFAULT = 2_000;

/** Asks the broker about single calls, on a connection of its own, made when the first is asked about. */
export function createCallCheck(endpoint: string): CallCheck {
  const client = lateClient(Authorizations, endpoint);

  return {
    async ask({ credential, actions, datatypes, definitionSha256 = "", ...call }, options) {
      const { argumentsSha256 = new Uint8Array(), acceptPending = false, signal } = options;
      const { timeoutMs: deadlineMs = TIMEOUT_MS_DEFAULT } = options;
      const definition = { definitionSha256: new Uint8Array(Buffer.from(definitionSha256, "hex")) };
      const asked = { ...call, ...definition, credential, argumentsSha256, acceptPending };
      const request = { ...asked, actions: [...actions], datatypes: [...datatypes] };
      let answer: CheckResponse;
      try {
        answer = await client.connected().check(request, { deadlineMs, signal });
      } catch (thrown) {
        signal?.throwIfAborted();
        throw unansweredOf(thrown);
      }
      const { effect, decisionId, callsLeft } = answer;
      // Only an allow allows: an effect that this version does not know is none.
      if (effect !== Effect.ALLOW) throw deniedOf(answer);
      return { decisionId, ...(callsLeft === undefined ? {} : { callsLeft }) };
    },
    close: client.close,
  };
}

/** What a denial is to whoever presents the credential; a reason that this version does not know is policy's. */
const CODES: Readonly<Record<string, VerificationCode>> = {
  NO_IDENTITY: "REVOKED",
  STEP_CLOSED: "REVOKED",
  STEP_EXPIRING: "EXPIRED",
  AUDIENCE_INVALID: "AUDIENCE_MISMATCH",
  GRANT_EXCEEDED: "GRANT_EXCEEDED",
  TOOL_NOT_ACCEPTED: "TOOL_NOT_ACCEPTED",
  DECISION_OUTDATED: "UNAVAILABLE",
};

function deniedOf({ reason, message, metadata, decisionId, pending }: CheckResponse): VerificationError {
  const code = (Object.hasOwn(CODES, reason) ? CODES[reason] : undefined) ?? "POLICY_DENIED";
  // It goes into a header's quoted string.
  const text = message.replaceAll(/["\\]/g, "'");
  const waits =
    pending?.until === undefined
      ? {}
      : { approval_id: pending.approvalId, pending_until: timestampDate(pending.until).toISOString() };
  return new VerificationError(code, text, { ...metadata, ...waits, decision_id: decisionId });
}

/** No answer is no permission. */
function unansweredOf(thrown: unknown): VerificationError {
  const error = callErrorOf(thrown);
  if (error.reason === "LIMIT_EXCEEDED") return new VerificationError("OVERLOADED", "the broker is asked too often");
  const why = error.unreachable ? "the broker does not answer" : "the broker can't decide";
  return new VerificationError("UNAVAILABLE", `${why}, and this call needs its answer`);
}
