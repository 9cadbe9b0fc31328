import { type Decision, decidedOn } from "../domain/decision.ts";
import { errorOf, isDenial } from "../domain/errors.ts";
import { ID_RANDOM_BYTES, newId } from "../domain/ids.ts";
import type { AgentEntry } from "../domain/registration-entry.ts";
import type { Clock } from "../ports/clock.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { Randomness } from "../ports/randomness.ts";
import { type CallAnswer, toolCallOf } from "./answer-denials.ts";
import type { Asker } from "./asker.ts";
import type { CallRequest } from "./call-request.ts";
import type { CallPolicyAnswer } from "./policy-denied.ts";
import type { Presented } from "./presented-step.ts";

/** A call on which the policies have answered. */
export type AnsweredCall = {
  readonly asker: Asker;
  readonly presented: Presented;
  readonly request: CallRequest;
  readonly agent: AgentEntry;
  readonly answer: CallPolicyAnswer;
};

export type RecordCallPorts = {
  readonly ledger: Pick<Ledger, "perform">;
  readonly clock: Clock;
  readonly random: Randomness;
};

/**
 * Counts a call and records it as allowed, in one durable act that looks at all of it once more.
 *
 * @param approvalId - of the approval that the call uses up.
 * @throws BrokerError as the guards of `record-call` refuse it
 */
export async function recordCall(call: AnsweredCall, ports: RecordCallPorts, approvalId?: string): Promise<CallAnswer> {
  const decision = allowed(call, ports, approvalId);
  const result = await ports.ledger.perform({
    act: "record-call",
    decision,
    ...standsOn(call),
    now: ports.clock.now(),
  });
  if (isDenial(result)) throw errorOf(result);
  const { callsLeft } = result;
  return { effect: "allow", decisionId: decision.decisionId, ...(callsLeft === undefined ? {} : { callsLeft }) };
}

/** What the act that records a call looks at once more. */
export function standsOn({ asker, presented, agent, answer }: AnsweredCall) {
  const { step, issuanceId, issuanceIds, grant } = presented;
  return {
    stepId: step.stepId,
    decidedOn: { ...decidedOn(agent, asker.entry), world: answer.world },
    presented: { issuanceId, issuanceIds, grant },
  };
}

function allowed(
  { asker, presented, request, answer }: AnsweredCall,
  { clock, random }: RecordCallPorts,
  approvalId: string | undefined,
) {
  const now = clock.now();
  const { world: _, heldBack: __, ...said } = answer;
  const { agent, runId, step, attempt, stepId, decisionId: grantedBy } = presented.step;
  return {
    ...said,
    decisionId: newId("decision", now, random.bytes(ID_RANDOM_BYTES)),
    act: "call",
    decidedAt: now,
    callerEntryId: asker.entry.entryId,
    agent,
    runId,
    step,
    attempt,
    stepId,
    requested: [request.use],
    granted: [request.use],
    refused: [],
    call: { ...toolCallOf(request, presented.jti), ...(approvalId === undefined ? {} : { approvalId }) },
    determiningPolicies: [`grant:${grantedBy}`, ...answer.determiningPolicies],
    count: 1,
  } as const satisfies Decision;
}
