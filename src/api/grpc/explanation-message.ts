import type { MessageInitShape } from "@bufbuild/protobuf";
import type { GrantElement } from "../../domain/grant.ts";
import type { StepName } from "../../domain/spiffe-id.ts";
import type { ExplainedElement, ExplainedPolicy, Explanation, PassingChange } from "../../explain/explanation.ts";
import {
  Effect,
  type EvaluatedRequestSchema,
  type ExplainedElementSchema,
  type ExplainedPolicySchema,
  type ExplainedStepSchema,
  type ExplainResponseSchema,
  type PassingChangeSchema,
  type PolicyEffectSchema,
} from "../../gen/stint/v1/history_pb.js";
import type { PolicyEffect } from "../../ports/policy-engine.ts";
import { decisionMessageOf } from "../../wire/decision-message.ts";
import { denialLayerMessageOf } from "../../wire/denial-details.ts";
import { grantMessageOf } from "../../wire/grant-message.ts";
import { stepPrincipalMessageOf } from "../../wire/principal-message.ts";
import { timestampOfMicros } from "../../wire/timestamps.ts";

/** Of all policies' texts together: an answer of gRPC holds 4 MiB, and what determined a decision is seldom more than two. */
const TEXTS_BYTES_MAX = 1_048_576;

export function explanationMessageOf(explained: Explanation): MessageInitShape<typeof ExplainResponseSchema> {
  const { decision, notAsked, whole, elements, policies, closes, endsParent, changes, unsearched } = explained;
  const request = evaluatedRequestOf(explained);
  return {
    decision: decisionMessageOf(decision),
    ...(request === undefined ? {} : { request }),
    notAsked: notAsked ?? "",
    ...(whole === undefined ? {} : { whole: effectOf(whole) }),
    elements: elements.map(elementOf),
    policies: policiesOf(policies),
    closes: closes.map((step) => stepOf(step.stepId, step.agent, step)),
    endsParent,
    changes: changes.map(changeOf),
    unsearched: unsearched ?? "",
  };
}

function evaluatedRequestOf({
  request,
  principal,
  set,
}: Explanation): MessageInitShape<typeof EvaluatedRequestSchema> | undefined {
  if (request === undefined || set === undefined) return undefined;
  const { facts, risk, parent, confinedTo } = request;
  return {
    policyVersion: BigInt(set.version),
    policyRoot: set.root,
    act: request.act,
    runtime: request.runtime ?? "",
    ...(principal === undefined
      ? {}
      : { principal: stepPrincipalMessageOf({ principalId: principal.principalId, known: principal }) }),
    workflow: request.workflow ?? "",
    ...(parent === undefined ? {} : { parent: stepOf("", parent.agent, parent.name) }),
    depth: request.depth,
    grantedClasses: [...facts.classes],
    grantedActions: [...facts.actions],
    stepsOpen: facts.stepsOpen,
    steps: facts.steps,
    domainRisk: risk.domain,
    agentRisk: risk.agent,
    runRisk: risk.run,
    selectors: [...request.selectors],
    confined: confinedTo !== undefined,
    confinedTo: [...(confinedTo ?? [])],
    at: timestampOfMicros(request.at),
    approved: request.approved ?? "",
    approvedPolicies: [...(request.approvedPolicies ?? [])],
  };
}

function effectOf({ effect, policies, errors, approval }: PolicyEffect): MessageInitShape<typeof PolicyEffectSchema> {
  return {
    effect: effect === "allow" ? Effect.ALLOW : Effect.DENY,
    policies: [...policies],
    errors: [...(errors ?? [])],
    approval: approval ?? "",
  };
}

function elementOf({ element, refusedBy, effect }: ExplainedElement): MessageInitShape<typeof ExplainedElementSchema> {
  return {
    ...elementMessageOf(element),
    refused: refusedBy !== undefined,
    ...(refusedBy === undefined || refusedBy === "unknown" ? {} : { refusedBy: denialLayerMessageOf(refusedBy) }),
    ...(effect === undefined ? {} : { effect: effectOf(effect) }),
  };
}

function elementMessageOf(element: GrantElement) {
  const [message] = grantMessageOf([element]).elements ?? [];
  return message === undefined ? {} : { element: message };
}

/** Of the policies without a text the file and the line say where it is. */
function policiesOf(policies: readonly ExplainedPolicy[]): MessageInitShape<typeof ExplainedPolicySchema>[] {
  let left = TEXTS_BYTES_MAX;
  return policies.map(({ policyId, source }) => {
    if (source === undefined) return { policyId };
    const { file, line, text } = source;
    left -= Buffer.byteLength(text);
    return { policyId, file, line, text: left < 0 ? "" : text };
  });
}

function stepOf(
  stepId: string,
  agent: string,
  { runId, step, attempt }: StepName,
): MessageInitShape<typeof ExplainedStepSchema> {
  return { stepId, agent, stepName: { runId, step, attempt } };
}

function changeOf({
  grant,
  without,
  withoutParent,
  riskAtMost,
  approval,
}: PassingChange): MessageInitShape<typeof PassingChangeSchema> {
  return {
    ...(grant === undefined ? {} : { grant: grantMessageOf(grant) }),
    without: without.map(({ element, maxCalls, actions, locations, datatypes }) => ({
      ...elementMessageOf(element),
      ...(maxCalls === undefined ? {} : { maxCalls }),
      actions: [...actions],
      locations: [...locations],
      datatypes: [...datatypes],
    })),
    withoutParent,
    riskAtMost: riskAtMost ?? "",
    approval: approval ?? "",
  };
}
