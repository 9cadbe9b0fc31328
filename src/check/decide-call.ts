import type { Retries } from "../decide/decide-again.ts";
import type { JudgePorts } from "../decide/judge-step.ts";
import { type Decision, decidedOn } from "../domain/decision.ts";
import { BrokerError, errorOf, isDenial } from "../domain/errors.ts";
import { formatGrant } from "../domain/grant.ts";
import { ID_RANDOM_BYTES, newId } from "../domain/ids.ts";
import { type AgentEntry, isOfKind } from "../domain/registration-entry.ts";
import type { Step } from "../domain/step.ts";
import type { Clock } from "../ports/clock.ts";
import type { EntryDirectory } from "../ports/directories.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { Randomness } from "../ports/randomness.ts";
import { type CallAnswer, toolCallOf } from "./answer-denials.ts";
import { askPolicyOnCall } from "./ask-policy.ts";
import type { Asker } from "./asker.ts";
import type { CallRequest } from "./call-request.ts";
import { type CallPolicyAnswer, PolicyDenied } from "./policy-denied.ts";
import type { Presented } from "./presented-step.ts";

export type DecideCallPorts = JudgePorts & {
  readonly retries: Retries;
  readonly entries: Pick<EntryDirectory, "byId">;
  readonly ledger: Pick<Ledger, "perform">;
  readonly clock: Clock;
  readonly random: Randomness;
};

/**
 * Asks policy, and records the call as allowed. Where what was decided on has changed meanwhile it is decided again, a
 * few times.
 *
 * @throws BrokerError POLICY_DENIED, GRANT_EXCEEDED, STEP_CLOSED, NO_IDENTITY, NOT_ENTITLED, DECISION_OUTDATED
 */
export function decideCall(
  asker: Asker,
  presented: Presented,
  request: CallRequest,
  ports: DecideCallPorts,
): Promise<CallAnswer> {
  return ports.retries.untilItStands(presented.step.runId, () => decideOnce(asker, presented, request, ports));
}

async function decideOnce(
  asker: Asker,
  presented: Presented,
  request: CallRequest,
  ports: DecideCallPorts,
): Promise<CallAnswer> {
  const { step, issuanceId, issuanceIds, grant } = presented;
  const agent = agentOf(step, ports);
  const answer = await askPolicyOnCall({ step, agent, use: request.use }, ports);
  if (answer.effect !== "allow") throw new PolicyDenied(`denied by policy: ${formatGrant([request.use])}`, answer);
  const decision = allowed(asker, presented, request, answer, ports);
  const result = await ports.ledger.perform({
    act: "record-call",
    stepId: step.stepId,
    decision,
    decidedOn: { ...decidedOn(agent, asker.entry), world: answer.world },
    presented: { issuanceId, issuanceIds, grant },
    now: ports.clock.now(),
  });
  if (isDenial(result)) throw errorOf(result);
  const { callsLeft } = result;
  return { effect: "allow", decisionId: decision.decisionId, ...(callsLeft === undefined ? {} : { callsLeft }) };
}

function agentOf({ agentEntryId }: Step, { entries }: DecideCallPorts): AgentEntry {
  const entry = entries.byId(agentEntryId);
  if (entry === undefined || entry.disabled || !isOfKind(entry, "agent")) {
    throw new BrokerError("NOT_ENTITLED", "the entry of the step's agent is no longer in force");
  }
  return entry;
}

function allowed(
  { entry }: Asker,
  presented: Presented,
  request: CallRequest,
  { world: _, ...answer }: CallPolicyAnswer,
  { clock, random }: DecideCallPorts,
) {
  const now = clock.now();
  const { agent, runId, step, attempt, stepId, decisionId: grantedBy } = presented.step;
  return {
    ...answer,
    decisionId: newId("decision", now, random.bytes(ID_RANDOM_BYTES)),
    act: "call",
    decidedAt: now,
    callerEntryId: entry.entryId,
    agent,
    runId,
    step,
    attempt,
    stepId,
    requested: [request.use],
    granted: [request.use],
    refused: [],
    call: toolCallOf(request, presented.jti),
    determiningPolicies: [`grant:${grantedBy}`, ...answer.determiningPolicies],
    count: 1,
  } as const satisfies Decision;
}
