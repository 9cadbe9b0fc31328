import type { ToolDirectory } from "../ports/directories.ts";
import { checkAccepted } from "./accepted.ts";
import { type AnswerPorts, answeringDenials, type CallAnswer } from "./answer-denials.ts";
import type { Asker } from "./asker.ts";
import type { CallRequest } from "./call-request.ts";
import { checkCovered } from "./covered.ts";
import { type DecideCallPorts, decideCall } from "./decide-call.ts";
import { type PresentedPorts, presentedStep } from "./presented-step.ts";

export type CheckPorts = PresentedPorts &
  DecideCallPorts &
  AnswerPorts & { readonly toolDirectory: Pick<ToolDirectory, "standing"> };

/**
 * Decides one call of a tool at this moment: by the credential that came with it, the grant, and policy; one durable act
 * then looks at all of this again, counts the call and records the answer.
 *
 * @returns the answer, which is on record; a denial too.
 * @throws BrokerError for what is no answer: NOT_SERVING, LEDGER_UNAVAILABLE
 * @see ADR 21
 */
export async function checkCall(asker: Asker, request: CallRequest, ports: CheckPorts): Promise<CallAnswer> {
  return answeringDenials(asker, request, ports, async (noted) => {
    const presented = noted(await presentedStep(request, ports));
    asker.taken.held(presented.step.stepId);
    // Of a tool that is not accepted, a grant for another definition of it is no help.
    checkAccepted(request, ports.toolDirectory);
    checkCovered(presented, request);
    return decideCall(asker, presented, request, ports);
  });
}
