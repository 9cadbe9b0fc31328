import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Decision, OpenerFacts, RefusedCaller, Situation, ToolCall } from "../domain/decision.ts";
import { type DecisionSchema, Effect, type SituationSchema, type ToolCallSchema } from "../gen/stint/v1/history_pb.js";
import { grantMessageOf } from "./grant-message.ts";
import { timestampOfMicros } from "./timestamps.ts";

/** @param decision.sequence - sequence of the ledger's event that holds the decision. */
export function decisionMessageOf(
  decision: Decision & { readonly sequence: number },
): MessageInitShape<typeof DecisionSchema> {
  const { runId, step, attempt } = decision;
  return {
    decisionId: decision.decisionId,
    effect: decision.effect === "allow" ? Effect.ALLOW : Effect.DENY,
    reason: decision.reason ?? "",
    decidedAt: timestampOfMicros(decision.decidedAt),
    // A denied opening may have named no attempt, and then has none.
    ...(runId === undefined || step === undefined ? {} : { stepName: { runId, step, attempt: attempt ?? 0 } }),
    stepId: decision.stepId ?? "",
    agent: decision.agent ?? "",
    callerEntryId: decision.callerEntryId ?? "",
    requested: grantMessageOf(decision.requested),
    granted: grantMessageOf(decision.granted),
    refused: grantMessageOf(decision.refused),
    determiningPolicies: [...decision.determiningPolicies],
    policyDigest: decision.policyDigest,
    sequence: BigInt(decision.sequence),
    count: decision.count,
    message: decision.message ?? "",
    ...(decision.call === undefined ? {} : { call: callMessageOf(decision.call) }),
    policyVersion: decision.situation?.policyVersion ?? 0,
    policyErrors: [...(decision.policyErrors ?? [])],
    ...(decision.situation === undefined ? {} : { situation: situationMessageOf(decision.situation) }),
    closes: [...(decision.closes ?? [])],
    act: decision.act,
    approval: decision.approval ?? "",
    ...(decision.opening === undefined ? {} : { opening: openerMessageOf(decision.opening) }),
    ...(decision.caller === undefined ? {} : { caller: callerMessageOf(decision.caller) }),
  };
}

export function callMessageOf(call: ToolCall): MessageInitShape<typeof ToolCallSchema> {
  const { location, tool, actions, datatypes, argumentsSha256 = "", jti = "", counted = [], approvalId = "" } = call;
  const { definitionSha256 = "" } = call;
  return {
    location,
    tool,
    actions: [...actions],
    datatypes: [...datatypes],
    argumentsSha256: new Uint8Array(Buffer.from(argumentsSha256, "hex")),
    jti,
    counted: [...counted],
    approvalId,
    definitionSha256: new Uint8Array(Buffer.from(definitionSha256, "hex")),
  };
}

function situationMessageOf(situation: Situation): MessageInitShape<typeof SituationSchema> {
  const { principalId = "", workflow = "", facts, risk, depth } = situation;
  const { approved = "", approvedPolicies = [], fewerCalls = [] } = situation;
  return {
    ...openerMessageOf(situation),
    principalId,
    workflow,
    classes: [...facts.classes],
    actions: [...facts.actions],
    stepsOpen: facts.stepsOpen,
    steps: facts.steps,
    riskDomain: risk.domain,
    riskAgent: risk.agent,
    riskRun: risk.run,
    depth,
    approved,
    approvedPolicies: [...approvedPolicies],
    fewerCalls: [...fewerCalls],
  };
}

/** Named in a decision without a situation as they are in one. */
function openerMessageOf({ runtime, parent, selectors }: OpenerFacts) {
  return {
    runtime: runtime ?? "",
    ...(parent === undefined ? {} : { parentAgent: parent.agent, parent: parent.name }),
    selectors: [...selectors],
  };
}

function callerMessageOf({ uid, executable = "", executableSha256 = "", selectors }: RefusedCaller) {
  return {
    ...(uid === undefined ? {} : { uid }),
    executable,
    executableSha256: new Uint8Array(Buffer.from(executableSha256, "hex")),
    selectors: [...selectors],
  };
}
