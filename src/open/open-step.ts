import { decide } from "../decide/decide.ts";
import { type DenialRecorder, isDecision } from "../decide/record-denial.ts";
import type { Decision } from "../domain/decision.ts";
import { BrokerError, errorOf } from "../domain/errors.ts";
import type { Grant } from "../domain/grant.ts";
import { newId } from "../domain/ids.ts";
import type { OpenedStep } from "../domain/ledger-event.ts";
import { stepSpiffeId } from "../domain/spiffe-id.ts";
import type { Attested } from "../domain/stages.ts";
import type { Step } from "../domain/step.ts";
import { nameRefused } from "../issue/asked-grant.ts";
import type { Clock } from "../ports/clock.ts";
import type { IssuanceGate } from "../ports/directories.ts";
import type { CloseResult, Ledger } from "../ports/ledger.ts";
import type { Policy } from "../ports/policy.ts";
import type { Randomness } from "../ports/randomness.ts";
import { type Fenced, fence } from "./fence.ts";
import { digestOf, type OpenRequest } from "./open-request.ts";
import { type Terms, type TermsPorts, termsOf } from "./terms.ts";

export type OpenPorts = TermsPorts & {
  readonly ledger: Ledger;
  readonly policy: Policy;
  readonly denials: DenialRecorder;
  readonly gate: IssuanceGate;
  readonly clock: Clock;
  readonly random: Randomness;
  /** Refuses a step whose tokens would be too large to travel. */
  readonly checkTokenSize: (step: Step) => void;
  /** Told of every step that was opened, and of what an opening superseded. */
  readonly opened: (step: Step, superseded: CloseResult | undefined) => void;
};

export type Opened = {
  readonly step: Step;
  /** Elements that `allowPartial` dropped. */
  readonly refused: Grant;
};

/**
 * Opens a step: who may, what it is granted, which attempt it is; then one durable act that checks all of it again.
 *
 * @throws BrokerError with each reason that `termsOf`, `decide`, `fence` and the ledger's guards give
 */
export async function openStep(caller: Attested, request: OpenRequest, ports: OpenPorts): Promise<Opened> {
  refuseIfSuspended(ports.gate);
  const repeated = await repeatedOpening(caller, request, ports);
  if (repeated !== undefined) return { step: repeated, refused: [] };

  const terms = await recordingDenials(caller, request, ports, () =>
    termsOf(caller, request, ports.clock.now(), ports),
  );
  const fenced = fence(request.attempt, await ports.steps.newestAttempt(request.runId, request.step));
  const decision = await decideOpening(request, terms, fenced, ports);
  return record(caller, request, terms, fenced, decision, ports);
}

function refuseIfSuspended(gate: IssuanceGate): void {
  const refusal = gate.refusal();
  if (refusal !== undefined) throw errorOf(refusal);
}

async function repeatedOpening(caller: Attested, request: OpenRequest, ports: OpenPorts): Promise<Step | undefined> {
  if (request.requestId === undefined) return undefined;
  for (const entry of caller.entries) {
    const step = await ports.steps.stepByRequest(entry.entryId, caller.process, request.requestId);
    if (step === undefined) continue;
    if (step.requestDigest !== digestOf(request)) {
      throw new BrokerError("REQUEST_ID_REUSED", "this request_id was used for a different request");
    }
    return step;
  }
  return undefined;
}

async function decideOpening(request: OpenRequest, terms: Terms, fenced: Fenced, ports: OpenPorts): Promise<Decision> {
  const decided = await decide(
    {
      callerEntryId: terms.opener.entryId,
      entry: terms.agent,
      name: { runId: request.runId, step: request.step, attempt: fenced.attempt },
      requested: request.grant,
      parent: terms.parent,
      allowPartial: request.allowPartial,
      workflow: request.workflow,
      purpose: request.purpose,
    },
    ports.policy,
  );
  const now = ports.clock.now();
  const decision: Decision = {
    ...decided,
    decisionId: newId("decision", now, ports.random.bytes(10)),
    decidedAt: now,
    count: 1,
  };
  if (decision.effect === "allow") return decision;

  await ports.denials.record(decision);
  const by = decided.reason === "DELEGATION_REFUSED" ? "the parent step's grant" : "the agent's ceiling or policy";
  throw new BrokerError(decided.reason ?? "POLICY_DENIED", `above ${by}: ${nameRefused(decision.refused)}`, {
    metadata: { decision_id: decision.decisionId },
  });
}

async function record(
  caller: Attested,
  request: OpenRequest,
  terms: Terms,
  fenced: Fenced,
  decision: Decision,
  ports: OpenPorts,
): Promise<Opened> {
  const now = ports.clock.now();
  const name = { runId: request.runId, step: request.step, attempt: fenced.attempt };
  const step: OpenedStep = {
    stepId: newId("step", now, ports.random.bytes(10)),
    ...name,
    agent: request.agent,
    agentEntryId: terms.agent.entryId,
    openerEntryId: terms.opener.entryId,
    opener: caller.process,
    executor: terms.executor,
    spiffeId: stepSpiffeId(terms.agent.spiffeId, name),
    grant: decision.granted,
    audiences: request.audiences,
    openedAt: now,
    expiresAt: terms.expiresAt,
    depth: terms.parent === undefined ? 0 : terms.parent.depth + 1,
    decisionId: decision.decisionId,
    ...(terms.parent === undefined ? {} : { parentStepId: terms.parent.stepId }),
    ...(terms.parent?.principal === undefined ? {} : { principal: terms.parent.principal }),
    ...(request.workflow === undefined ? {} : { workflow: request.workflow }),
    ...(request.purpose === undefined ? {} : { purpose: request.purpose }),
    ...(request.leaseSeconds === undefined ? {} : { leaseSeconds: request.leaseSeconds }),
    ...(request.requestId === undefined ? {} : { requestId: request.requestId, requestDigest: digestOf(request) }),
  };
  ports.checkTokenSize({ ...step, state: "OPEN", held: false, openedSequence: 0 });

  const result = await ports.ledger.perform({
    act: "open-step",
    step,
    decision: { ...decision, stepId: step.stepId },
    decidedOn: decidedOn(terms),
    supersedes: fenced.supersedes,
    openStepsMax: terms.openStepsMax,
    now,
  });
  if (result.kind === "denial") throw errorOf(result);
  if (result.kind === "opened") ports.opened(result.step, result.superseded);
  return { step: result.step, refused: decision.refused };
}

function decidedOn(terms: Terms): readonly { entryId: string; revision: number }[] {
  const entries = terms.agent.entryId === terms.opener.entryId ? [terms.agent] : [terms.agent, terms.opener];
  return entries.map((entry) => ({ entryId: entry.entryId, revision: entry.revision }));
}

/** A refusal of authority is a decision, and recorded as one, wherever it is made. */
async function recordingDenials<T>(
  caller: Attested,
  request: OpenRequest,
  ports: OpenPorts,
  act: () => Promise<T>,
): Promise<T> {
  try {
    return await act();
  } catch (thrown) {
    if (thrown instanceof BrokerError && isDecision(thrown.code)) {
      const now = ports.clock.now();
      await ports.denials.record({
        decisionId: newId("decision", now, ports.random.bytes(10)),
        act: "open",
        effect: "deny",
        reason: thrown.code,
        decidedAt: now,
        ...(caller.entries[0] === undefined ? {} : { callerEntryId: caller.entries[0].entryId }),
        agent: request.agent,
        runId: request.runId,
        step: request.step,
        requested: request.grant,
        granted: [],
        refused: request.grant,
        determiningPolicies: [],
        policyDigest: "",
        count: 1,
      });
    }
    throw thrown;
  }
}
