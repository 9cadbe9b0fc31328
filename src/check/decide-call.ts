import type { Retries } from "../decide/decide-again.ts";
import type { JudgePorts } from "../decide/judge-step.ts";
import { BrokerError } from "../domain/errors.ts";
import { formatGrant } from "../domain/grant.ts";
import { type AgentEntry, isOfKind } from "../domain/registration-entry.ts";
import type { Step } from "../domain/step.ts";
import type { EntryDirectory } from "../ports/directories.ts";
import type { CallAnswer } from "./answer-denials.ts";
import { askPolicyOnCall } from "./ask-policy.ts";
import type { Asker } from "./asker.ts";
import type { CallRequest } from "./call-request.ts";
import { decideHeldBack, type HeldBackPorts } from "./decide-held-back.ts";
import { PolicyDenied } from "./policy-denied.ts";
import type { Presented } from "./presented-step.ts";
import { recordCall } from "./record-call.ts";

export type DecideCallPorts = JudgePorts &
  HeldBackPorts & { readonly retries: Retries; readonly entries: Pick<EntryDirectory, "byId"> };

/**
 * Asks policy, and records the call as allowed. What policies hold back passes by an approval that was given for it, or
 * waits for one. Where what was decided on has changed meanwhile it is decided again, a few times.
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
  const { step } = presented;
  const agent = agentOf(step, ports);
  const answer = await askPolicyOnCall({ step, agent, use: request.use }, ports);
  const call = { asker, presented, request, agent, answer };
  if (answer.effect === "allow") return recordCall(call, ports);
  const { heldBack } = answer;
  if (heldBack === undefined) throw new PolicyDenied(`denied by policy: ${formatGrant([request.use])}`, answer);
  return decideHeldBack({ ...call, heldBack }, ports);
}

function agentOf({ agentEntryId }: Step, { entries }: DecideCallPorts): AgentEntry {
  const entry = entries.byId(agentEntryId);
  if (entry === undefined || entry.disabled || !isOfKind(entry, "agent")) {
    throw new BrokerError("NOT_ENTITLED", "the entry of the step's agent is no longer in force");
  }
  return entry;
}
