import { decide } from "../decide/decide.ts";
import { type DenialRecorder, denyOf, isDecision } from "../decide/record-denial.ts";
import { refusalText } from "../decide/refused-caller.ts";
import type { Decision } from "../domain/decision.ts";
import { BrokerError } from "../domain/errors.ts";
import { ID_RANDOM_BYTES, newId } from "../domain/ids.ts";
import type { Attested } from "../domain/stages.ts";
import { nameRefused } from "../issue/asked-grant.ts";
import type { Clock } from "../ports/clock.ts";
import type { Policy } from "../ports/policy.ts";
import type { Randomness } from "../ports/randomness.ts";
import type { Fenced } from "./fence.ts";
import type { OpenRequest } from "./open-request.ts";
import type { Terms } from "./terms.ts";

export type DecidePorts = {
  readonly policy: Policy;
  readonly denials: DenialRecorder;
  readonly clock: Clock;
  readonly random: Randomness;
};

/**
 * What the step is granted, as the decision that will be recorded with the step.
 *
 * @throws BrokerError POLICY_DENIED or DELEGATION_REFUSED, with the id of the recorded decision
 */
export async function decideOpening(
  caller: Attested,
  request: OpenRequest,
  terms: Terms,
  { attempt }: Fenced,
  ports: DecidePorts,
): Promise<Decision> {
  const { runId, step, grant, allowPartial, workflow, purpose } = request;
  const decided = await decide(
    {
      callerEntryId: terms.opener.entryId,
      entry: terms.agent,
      name: { runId, step, attempt },
      requested: grant,
      parent: terms.parent,
      allowPartial,
      workflow,
      purpose,
    },
    ports.policy,
  );
  const now = ports.clock.now();
  const decisionId = newId("decision", now, ports.random.bytes(ID_RANDOM_BYTES));
  const decision: Decision = { ...decided, decisionId, decidedAt: now, count: 1 };
  if (decision.effect === "allow") return decision;

  const by = decided.reason === "DELEGATION_REFUSED" ? "the parent step's grant" : "the agent's ceiling or policy";
  const message = `above ${by}: ${nameRefused(decision.refused)}`;
  const recorded = await ports.denials.record({ ...decision, message: refusalText(message) }, caller);
  throw new BrokerError(decided.reason ?? "POLICY_DENIED", message, { metadata: { decision_id: recorded } });
}

/** Runs `act`. A refusal of authority that `act` throws is a decision, and is recorded as one. */
export async function recordingDenials<T>(
  caller: Attested,
  { agent, runId, step, grant }: OpenRequest,
  ports: DecidePorts,
  act: () => Promise<T>,
): Promise<T> {
  try {
    return await act();
  } catch (thrown) {
    if (thrown instanceof BrokerError && isDecision(thrown.code)) {
      const callerEntryId = caller.entries[0]?.entryId;
      const of = callerEntryId === undefined ? {} : { callerEntryId };
      const { code: reason, message } = thrown;
      const refused = { act: "open", reason, message, agent, runId, step, requested: grant, ...of } as const;
      await ports.denials.record(denyOf(refused, ports), caller);
    }
    throw thrown;
  }
}
