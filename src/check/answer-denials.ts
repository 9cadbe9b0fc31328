import { type DenialRecorder, denyOf } from "../decide/record-denial.ts";
import type { Decision, ToolCall } from "../domain/decision.ts";
import { BrokerError, type ErrorCode, type ErrorMetadata } from "../domain/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Randomness } from "../ports/randomness.ts";
import type { Asker } from "./asker.ts";
import type { CallRequest } from "./call-request.ts";
import { type PendingAnswer, PolicyDenied } from "./policy-denied.ts";
import type { Presented } from "./presented-step.ts";

/** Whether a call may be made. On record under `decisionId`. */
export type CallAnswer =
  | { readonly effect: "allow"; readonly decisionId: string; readonly callsLeft?: number }
  | {
      readonly effect: "deny";
      readonly decisionId: string;
      readonly reason: ErrorCode;
      readonly message: string;
      readonly metadata: ErrorMetadata;
      /** Set where the call waits for its approval: asked again once it has that, it may pass. */
      readonly pending?: PendingAnswer;
    };

export type AnswerPorts = {
  readonly denials: DenialRecorder;
  readonly clock: Clock;
  readonly random: Randomness;
};

/** What is an answer to the question; any other error says that there is none. */
const ANSWERS: ReadonlySet<ErrorCode> = new Set([
  "NO_IDENTITY",
  "NOT_ENTITLED",
  "POLICY_DENIED",
  "GRANT_EXCEEDED",
  "STEP_NOT_FOUND",
  "STEP_CLOSED",
  "STEP_EXPIRING",
  "AUDIENCE_INVALID",
  "DECISION_OUTDATED",
  "TOOL_NOT_ACCEPTED",
]);

/**
 * Runs `decide`. A refusal that it throws is recorded, and is the answer.
 *
 * @param decide - is given a function to note whose call it is, once that is known.
 */
export async function answeringDenials(
  asker: Asker,
  request: CallRequest,
  ports: AnswerPorts,
  decide: (noted: (presented: Presented) => Presented) => Promise<CallAnswer>,
): Promise<CallAnswer> {
  let presented: Presented | undefined;
  try {
    return await decide((given) => {
      presented = given;
      return given;
    });
  } catch (thrown) {
    if (!(thrown instanceof BrokerError) || !ANSWERS.has(thrown.code)) throw thrown;
    const decision = denied(asker, request, presented, thrown, ports);
    const decisionId = await ports.denials.record(decision, asker.caller);
    return denialAnswer(thrown, decisionId);
  }
}

export function denialAnswer(
  { code: reason, message, metadata, ...refused }: BrokerError & { readonly pending?: PendingAnswer | undefined },
  decisionId: string,
): CallAnswer {
  const { pending } = refused;
  return { effect: "deny", decisionId, reason, message, metadata, ...(pending === undefined ? {} : { pending }) };
}

/** The decision that records a refusal. */
export function denied(
  { entry }: Asker,
  request: CallRequest,
  presented: Presented | undefined,
  thrown: BrokerError,
  ports: Pick<AnswerPorts, "clock" | "random">,
): Decision {
  const { code: reason, message } = thrown;
  const ofStep = presented === undefined ? {} : stepOf(presented);
  const call = toolCallOf(request, presented?.jti);
  const refused = {
    act: "call",
    reason,
    message,
    requested: [request.use],
    call,
    callerEntryId: entry.entryId,
  } as const;
  const decision = denyOf({ ...refused, ...ofStep }, ports);
  if (!(thrown instanceof PolicyDenied)) return decision;
  const { pending } = thrown;
  const { effect: _, world: __, determiningPolicies, heldBack, ...answer } = thrown.answer;
  return {
    ...decision,
    ...answer,
    determiningPolicies: [...decision.determiningPolicies, ...determiningPolicies],
    ...(heldBack === undefined ? {} : { approval: heldBack.role }),
    ...(pending === undefined ? {} : { call: { ...call, approvalId: pending.approvalId } }),
  };
}

function stepOf({ step: { agent, runId, step, attempt, stepId, decisionId } }: Presented) {
  return { agent, runId, step, attempt, stepId, determiningPolicies: [`grant:${decisionId}`] };
}

/** What is recorded of a call: which, and nothing of what it was called with but a digest. */
export function toolCallOf({ location, use, argumentsSha256 }: CallRequest, jti: string | undefined): ToolCall {
  const { identifier: tool, actions, datatypes, definition_sha256: definitionSha256 } = use;
  return {
    ...{ location, tool, actions, datatypes },
    ...(argumentsSha256 === undefined ? {} : { argumentsSha256 }),
    ...(definitionSha256 === undefined ? {} : { definitionSha256 }),
    ...(jti === undefined ? {} : { jti }),
  };
}
