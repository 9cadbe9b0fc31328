import type { ApprovalAnswer } from "./approval.ts";
import { canonicalText } from "./canonical-json.ts";
import type { ToolCall } from "./decision.ts";
import { sha256Hex } from "./digest.ts";
import { type Denial, denial } from "./errors.ts";
import { sortedSet } from "./sorted-set.ts";
import { hasExpired, permits, type Step, type StepState } from "./step.ts";
import type { UnixMicros, UnixSeconds } from "./time.ts";

/** A call whose arguments are known by their digest, so that it can be told from every other. */
export type ApprovableCall = ToolCall & { readonly argumentsSha256: string };

/** A call of a tool that policies hold back until it is approved. */
export type PendingCall = {
  readonly approvalId: string;
  readonly stepId: string;
  /** By which it was asked about: the verifier's, or an operator's. */
  readonly askerEntryId: string;
  readonly call: ApprovableCall;
  /** Who may approve, as the policies say. */
  readonly role: string;
  /** The policies that stand in the way, sorted. */
  readonly policies: readonly string[];
  /** When nobody can answer it any more; exclusive. */
  readonly until: UnixSeconds;
  /** `callDigestOf` the call. */
  readonly requestDigest: string;
  /** Users of the step's opener and executor. None of them may approve. Absent over a network. */
  readonly requesters: readonly number[];
  /** The decision that denied the call. */
  readonly decisionId: string;
};

/** With what became of it. `until`: once it is approved, when it can't be used any more. */
export type CallApproval = PendingCall & {
  readonly sequence: number;
  readonly askedAt: UnixMicros;
  /** Absent while nobody has answered, and where nobody ever did. */
  readonly answer?: ApprovalAnswer;
  /** The decision that allowed the call; absent: it was not made. */
  readonly usedBy?: string;
  readonly step: Pick<Step, "runId" | "step" | "attempt" | "agent" | "state">;
};

/** `lapsed`: nobody answered in time, nobody made the call in time, or its step has ended. */
export const CALL_APPROVAL_STATES = ["waiting", "approved", "refused", "used", "lapsed"] as const;
export type CallApprovalState = (typeof CALL_APPROVAL_STATES)[number];

/** By which the state is told. A refusal stays one, however long ago it was. */
export type CallApprovalStanding = {
  readonly until: UnixSeconds;
  readonly approved?: boolean | undefined;
  readonly isUsed: boolean;
  readonly stepState: StepState;
};

export function callApprovalStateOf(standing: CallApprovalStanding, now: UnixMicros): CallApprovalState {
  if (standing.isUsed) return "used";
  if (standing.approved === false) return "refused";
  if (!permits(standing.stepState) || hasExpired(standing.until, now)) return "lapsed";
  return standing.approved === true ? "approved" : "waiting";
}

export function standingOf({ until, answer, usedBy, step }: CallApproval): CallApprovalStanding {
  return { until, approved: answer?.approved, isUsed: usedBy !== undefined, stepState: step.state };
}

/**
 * A digest of all that is approved with a call: which step makes it, where, of which tool, to do what with which data, and
 * with which arguments; and under which definition of the tool, where the server tells. Any other call has another.
 *
 * @param askerEntryId - by which it is asked about, so that no other server uses the approval.
 * @returns SHA-256, hexadecimal
 */
export function callDigestOf(
  stepId: string,
  askerEntryId: string,
  { location, tool, actions, datatypes, argumentsSha256, definitionSha256 }: ApprovableCall,
): string {
  return sha256Hex(
    canonicalText({
      stepId,
      askerEntryId,
      location,
      tool,
      actions: sortedSet(actions),
      datatypes: sortedSet(datatypes),
      argumentsSha256,
      definitionSha256,
    }),
  );
}

/** Whether an approval was asked for all of these policies. */
export function isAskedFor({ policies: asked }: Pick<PendingCall, "policies">, policies: readonly string[]): boolean {
  return policies.every((one) => asked.includes(one));
}

/** Why nobody can answer a call: nothing of it waits. */
export function callAnswerRefusal(state: CallApprovalState): Denial | undefined {
  if (state === "waiting") return undefined;
  return denial("INVALID_FIELD", `approval_id: ${NOT_WAITING[state]}`, { field: "approval_id", state });
}

export function noSuchCall(): Denial {
  return denial("INVALID_FIELD", "approval_id: no such call was asked about", { field: "approval_id" });
}

const NOT_WAITING = {
  approved: "the call was approved already",
  refused: "the call was refused already",
  used: "the call was approved, and was made",
  lapsed: "the time in which the call could be approved is over",
} as const satisfies Record<Exclude<CallApprovalState, "waiting">, string>;
