import { type Approver, approverOf, checkNotRequester } from "../decide/approver.ts";
import type { Retries } from "../decide/decide-again.ts";
import { type RecordingPorts, recordingRefusals } from "../decide/recording-refusals.ts";
import { type Answered, refusedAnswer } from "../decide/refused-answer.ts";
import { visibleTo } from "../decide/step-access.ts";
import { errorOf, isDenial } from "../domain/errors.ts";
import { checkReason } from "../domain/recorded-reason.ts";
import type { Attested } from "../domain/stages.ts";
import type { Step } from "../domain/step.ts";
import type { StepDirectory } from "../ports/directories.ts";
import type { InForce } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import { type ApprovalTerms, type ApprovalTermsPorts, approvalTermsOf, checkRequest } from "./approval-terms.ts";
import { type DecideApprovalPorts, type DecidedApproval, decideApproval } from "./decide-approval.ts";
import { checkGate, type OpenPorts } from "./open-step.ts";

/** What is approved, or refused. */
export type ApprovalRequest = {
  readonly stepId: string;
  /** Of the request that the operator looked at. */
  readonly requestDigest: string;
  readonly reason: string;
};

export type AnswerPorts = RecordingPorts & {
  readonly ledger: Pick<Ledger, "perform">;
  readonly stepDirectory: StepDirectory;
  readonly inForce: InForce;
  readonly principals: OpenPorts["principals"];
  readonly clock: OpenPorts["clock"];
};

export type ApprovePorts = AnswerPorts &
  ApprovalTermsPorts &
  DecideApprovalPorts & { readonly gate: OpenPorts["gate"]; readonly retries: Retries };

/**
 * Opens a step that waits for approval. Whoever approves says what was looked at, and is none of those who asked. It is
 * decided again, on the state of the world as it is now, with nothing set aside but the policies that asked for this
 * approval; one durable act checks all of this once more. Who tries and may not is recorded.
 *
 * @throws BrokerError STEP_NOT_FOUND, NOT_ENTITLED, INVALID_FIELD, STEP_CLOSED, STEP_EXISTS for a step that was approved
 *   before, POLICY_DENIED and DELEGATION_REFUSED when it is not permitted any more; and as the ledger's guards do
 */
export async function approveStep(caller: Attested, request: ApprovalRequest, ports: ApprovePorts): Promise<Step> {
  checkGate(ports.gate);
  const tried = async () => refusedAnswer(caller, await answeredStep(request, ports));
  return recordingRefusals(caller, tried, ports, () => approved(caller, request, ports));
}

/** The step that is answered, for the record of who may not. */
export async function answeredStep(
  { stepId }: Pick<ApprovalRequest, "stepId">,
  { stepDirectory }: Pick<AnswerPorts, "stepDirectory">,
): Promise<Answered | undefined> {
  const step = await stepDirectory.byId(stepId);
  return step === undefined ? undefined : { step, requested: step.grant };
}

async function approved(caller: Attested, request: ApprovalRequest, ports: ApprovePorts): Promise<Step> {
  const approver = approverOf(caller);
  const reason = checkReason(request.reason);
  const step = checkRequest(request, visibleTo(caller, await ports.stepDirectory.byId(request.stepId)).step, ports);
  await checkNotRequester(caller, { requesters: step.approval.requesters, step }, ports);

  return ports.retries.untilItStands(step.runId, async () => {
    const terms = await approvalTermsOf(step, ports);
    const decided = await decideApproval(caller, terms, ports);
    return recordApproval({ approver, reason, terms, decided }, ports);
  });
}

async function recordApproval(
  approval: {
    readonly approver: Approver;
    readonly reason: string;
    readonly terms: ApprovalTerms;
    readonly decided: DecidedApproval;
  },
  { ledger, stepDirectory, inForce, clock }: AnswerPorts,
): Promise<Step> {
  const { approver, reason, terms, decided } = approval;
  const { step, expiresAt } = terms;
  const { decision, decidedOn } = decided;
  const result = await ledger.perform({
    act: "approve-step",
    step,
    requestDigest: step.approval.requestDigest,
    decision,
    decidedOn: { ...decidedOn, entries: [...decidedOn.entries, approver.entry] },
    expiresAt,
    reason,
    by: approver.by,
    now: clock.now(),
  });
  if (isDenial(result)) throw errorOf(result);
  await inForce(result.sequence);
  return (await stepDirectory.byId(step.stepId)) ?? step;
}
