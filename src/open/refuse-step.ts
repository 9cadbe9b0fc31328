import { approverOf } from "../decide/approver.ts";
import { recordingRefusals } from "../decide/recording-refusals.ts";
import { refusedAnswer } from "../decide/refused-answer.ts";
import { visibleTo } from "../decide/step-access.ts";
import { errorOf, isDenial } from "../domain/errors.ts";
import { checkReason } from "../domain/recorded-reason.ts";
import type { Attested } from "../domain/stages.ts";
import type { Step } from "../domain/step.ts";
import { type AnswerPorts, answeredStep } from "./approve-step.ts";

type RefusalRequest = { readonly stepId: string; readonly reason: string };

/**
 * Closes a step that waits for approval as REFUSED. Whoever asked may take it back by closing it, so any approver may
 * refuse it. Who tries and may not is recorded.
 *
 * @returns the step as it is now
 * @throws BrokerError STEP_NOT_FOUND, NOT_ENTITLED, INVALID_FIELD, STEP_CLOSED; STEP_EXISTS for one that was approved
 */
export function refuseStep(caller: Attested, asked: RefusalRequest, ports: AnswerPorts): Promise<Step> {
  const tried = async () => refusedAnswer(caller, await answeredStep(asked, ports));
  return recordingRefusals(caller, tried, ports, () => refused(caller, asked, ports));
}

async function refused(
  caller: Attested,
  asked: RefusalRequest,
  { ledger, stepDirectory, inForce, clock }: AnswerPorts,
): Promise<Step> {
  const { by } = approverOf(caller);
  const reason = checkReason(asked.reason);
  const { step } = visibleTo(caller, await stepDirectory.byId(asked.stepId));
  const result = await ledger.perform({ act: "refuse-step", stepId: step.stepId, reason, by, now: clock.now() });
  if (isDenial(result)) throw errorOf(result);
  await inForce(result.sequence);
  return (await stepDirectory.byId(step.stepId)) ?? step;
}
