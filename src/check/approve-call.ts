import { approverOf, checkNotRequester } from "../decide/approver.ts";
import { type RecordingPorts, recordingRefusals } from "../decide/recording-refusals.ts";
import { type Answered, refusedAnswer } from "../decide/refused-answer.ts";
import {
  type CallApproval,
  callAnswerRefusal,
  callApprovalStateOf,
  callDigestOf,
  noSuchCall,
  standingOf,
} from "../domain/call-approval.ts";
import { BrokerError, type Denial, errorOf, invalidField, isDenial } from "../domain/errors.ts";
import { checkReason } from "../domain/recorded-reason.ts";
import type { Attested } from "../domain/stages.ts";
import { isClosed } from "../domain/step.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../domain/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { IssuanceGate } from "../ports/directories.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { Sequenced } from "../ports/ledger-acts.ts";
import type { CallApprovalReads, StepReads } from "../ports/ledger-reads.ts";
import type { PrincipalVault } from "../ports/principal-vault.ts";

/** What is approved. */
export type CallApprovalRequest = {
  readonly approvalId: string;
  /** Of the call that the operator looked at. */
  readonly requestDigest: string;
  readonly reason: string;
};

export type AnswerCallPorts = RecordingPorts & {
  readonly ledger: Pick<Ledger, "perform">;
  readonly callApprovals: CallApprovalReads;
  readonly clock: Pick<Clock, "now">;
};

export type ApproveCallPorts = AnswerCallPorts & {
  readonly steps: Pick<StepReads, "step">;
  readonly principals: Pick<PrincipalVault, "open">;
  readonly gate: IssuanceGate;
  /** How long an approved call may be made. */
  readonly approvalSeconds: number;
};

/**
 * Approves a call that waits, to be made once, by its step, with these arguments. Nothing is decided by it: the call is
 * when it is made. Whoever approves says what was looked at, and is none of those who asked. Who tries and may not is recorded.
 *
 * @returns the call as it is now
 * @throws BrokerError NOT_ENTITLED; INVALID_FIELD `approval_id` for what does not wait, `request_digest`, `reason`;
 *   STEP_CLOSED; NOT_SERVING; and as the ledger's guards do
 */
export async function approveCall(
  caller: Attested,
  request: CallApprovalRequest,
  ports: ApproveCallPorts,
): Promise<CallApproval> {
  const suspended = ports.gate.refusal();
  if (suspended !== undefined) throw errorOf(suspended);
  return recordingRefusals(caller, triedBy(caller, request, ports), ports, () => approved(caller, request, ports));
}

async function approved(
  caller: Attested,
  request: CallApprovalRequest,
  ports: ApproveCallPorts,
): Promise<CallApproval> {
  const { by, entry } = approverOf(caller);
  const reason = checkReason(request.reason);
  const asked = await waitingCall(request.approvalId, ports);
  checkDigest(request, asked);
  const step = await ports.steps.step(asked.stepId);
  if (step === undefined) throw new RangeError("the ledger names a step that it does not have");
  await checkNotRequester(caller, { requesters: asked.requesters, step }, ports);
  if (caller.entries.some(({ entryId }) => entryId === asked.askerEntryId)) {
    throw new BrokerError("NOT_ENTITLED", "the entry that asks about the call does not approve it");
  }
  const now = ports.clock.now();
  const until = Math.min(addSeconds(secondsOf(now), ports.approvalSeconds), step.expiresAt) as UnixSeconds;
  const { approvalId, requestDigest } = asked;
  const answer = { approvalId, requestDigest, until, decidedOn: { entries: [entry] }, reason, by, now };
  const result = await ports.ledger.perform({ act: "approve-call", ...answer });
  return answered(result, asked, ports);
}

/**
 * Refuses a call that waits. The same call is refused from then on, for as long as it would have waited.
 *
 * @returns the call as it is now
 * @throws BrokerError NOT_ENTITLED, INVALID_FIELD, STEP_CLOSED
 */
export function refuseCall(caller: Attested, request: RefusalRequest, ports: AnswerCallPorts): Promise<CallApproval> {
  return recordingRefusals(caller, triedBy(caller, request, ports), ports, () => refused(caller, request, ports));
}

type RefusalRequest = Pick<CallApprovalRequest, "approvalId" | "reason">;

async function refused(caller: Attested, request: RefusalRequest, ports: AnswerCallPorts): Promise<CallApproval> {
  const { by } = approverOf(caller);
  const reason = checkReason(request.reason);
  const asked = await waitingCall(request.approvalId, ports);
  const { approvalId } = asked;
  const result = await ports.ledger.perform({ act: "refuse-call", approvalId, reason, by, now: ports.clock.now() });
  return answered(result, asked, ports);
}

function triedBy(caller: Attested, request: Pick<CallApprovalRequest, "approvalId">, ports: AnswerCallPorts) {
  return async () => refusedAnswer(caller, await answeredCall(request, ports));
}

/** The call that is answered, for the record of who may not. */
async function answeredCall(
  { approvalId }: Pick<CallApprovalRequest, "approvalId">,
  { callApprovals }: AnswerCallPorts,
): Promise<Answered | undefined> {
  const asked = await callApprovals.callApproval(approvalId);
  if (asked === undefined) return undefined;
  const { stepId, step, call } = asked;
  const { location, tool: identifier, actions, datatypes } = call;
  const use = { type: "mcp_tool", locations: [location], identifier, actions, datatypes } as const;
  return { step: { ...step, stepId }, requested: [use], call: { ...call, approvalId } };
}

/** @throws BrokerError INVALID_FIELD `approval_id`, STEP_CLOSED */
async function waitingCall(approvalId: string, { callApprovals, clock }: AnswerCallPorts): Promise<CallApproval> {
  const asked = await callApprovals.callApproval(approvalId);
  if (asked === undefined) throw errorOf(noSuchCall());
  const { answer, step } = asked;
  if (answer === undefined && isClosed(step.state)) {
    throw new BrokerError("STEP_CLOSED", `the step is ${step.state}`, { metadata: { state: step.state } });
  }
  const refusal = callAnswerRefusal(callApprovalStateOf(standingOf(asked), clock.now()));
  if (refusal !== undefined) throw errorOf(refusal);
  return asked;
}

/** Computed from the call as it is read now: a row that was changed since is another call. */
function checkDigest({ requestDigest }: CallApprovalRequest, asked: CallApproval): void {
  const { stepId, askerEntryId, call } = asked;
  const isSame = requestDigest === callDigestOf(stepId, askerEntryId, call) && requestDigest === asked.requestDigest;
  if (!isSame) throw invalidField("request_digest", "that of the call that waits");
}

async function answered(
  result: Sequenced | Denial,
  asked: CallApproval,
  { callApprovals }: AnswerCallPorts,
): Promise<CallApproval> {
  if (isDenial(result)) throw errorOf(result);
  return (await callApprovals.callApproval(asked.approvalId)) ?? asked;
}
