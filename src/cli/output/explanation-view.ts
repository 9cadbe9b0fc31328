import {
  Effect,
  type EvaluatedRequest,
  type ExplainedElement,
  type ExplainedStep,
  type ExplainResponse,
  type PassingChange,
  type PolicyEffect,
} from "../../gen/stint/v1/history_pb.js";
import { denialLayerOf } from "../../wire/denial-details.ts";
import { decisionView } from "./decision-view.ts";
import { grantField, instantField, textField } from "./fields.ts";
import { type Json, recordOf, type View } from "./view.ts";

/** All of an explanation, for programs. */
export const explanationView: View<ExplainResponse> = {
  fields: [
    ["decision", ({ decision }) => (decision === undefined ? null : recordOf(decisionView, decision))],
    ["request", ({ request }) => (request === undefined ? null : requestField(request))],
    ["not_asked", ({ notAsked }) => textField(notAsked)],
    ["whole", ({ whole }) => effectField(whole)],
    ["elements", ({ elements }) => elements.map(elementField)],
    [
      "policies",
      ({ policies }) =>
        policies.map(({ policyId, file, line, text }) => ({
          policy_id: policyId,
          file: textField(file),
          line: line === 0 ? null : line,
          text: textField(text),
        })),
    ],
    ["closes", ({ closes }) => closes.map(stepField)],
    ["ends_parent", ({ endsParent }) => endsParent],
    ["changes", ({ changes }) => changes.map(changeField)],
    ["unsearched", ({ unsearched }) => textField(unsearched)],
  ],
  columns: [],
};

function requestField(request: EvaluatedRequest): Json {
  const { principal, parent } = request;
  return {
    policy_version: Number(request.policyVersion),
    policy_root: request.policyRoot,
    act: request.act,
    runtime: textField(request.runtime),
    principal:
      principal === undefined
        ? null
        : { principal_id: principal.principalId, iss: textField(principal.issuer), sub: textField(principal.subject) },
    workflow: textField(request.workflow),
    approved: textField(request.approved),
    approved_policies: request.approvedPolicies,
    parent: parent === undefined ? null : stepField(parent),
    depth: request.depth,
    granted_classes: request.grantedClasses,
    granted_actions: request.grantedActions,
    steps_open: request.stepsOpen,
    steps: request.steps,
    risk: { domain: request.domainRisk, agent: request.agentRisk, run: request.runRisk },
    selectors: request.selectors,
    confined_to: request.confined ? request.confinedTo : null,
    at: instantField(request.at),
  };
}

function effectField(effect: PolicyEffect | undefined): Json {
  if (effect === undefined) return null;
  return {
    effect: effect.effect === Effect.ALLOW ? "allow" : "deny",
    policies: effect.policies,
    errors: effect.errors,
    approval: textField(effect.approval),
  };
}

function elementField({ element, refused, refusedBy, effect }: ExplainedElement): Json {
  const [shown = null] = element === undefined ? [] : asGrant([element]);
  return {
    element: shown,
    refused,
    refused_by: denialLayerOf(refusedBy) ?? null,
    effect: effectField(effect),
  };
}

function asGrant(elements: NonNullable<PassingChange["grant"]>["elements"]): readonly Json[] {
  return grantField({ elements }) as readonly Json[];
}

function stepField({ stepId, agent, stepName }: ExplainedStep): Json {
  return {
    step_id: textField(stepId),
    agent,
    run_id: stepName?.runId ?? null,
    step: stepName?.step ?? null,
    attempt: stepName?.attempt ?? null,
  };
}

function changeField({ grant, without, withoutParent, riskAtMost, approval }: PassingChange): Json {
  return {
    grant: grant === undefined ? null : asGrant(grant.elements),
    without: without.map(({ element, maxCalls, actions, locations, datatypes }) => ({
      max_calls: maxCalls ?? null,
      element: element === undefined ? null : (asGrant([element])[0] ?? null),
      actions,
      locations,
      datatypes,
    })),
    without_parent: withoutParent,
    risk_at_most: textField(riskAtMost),
    approval: textField(approval),
  };
}
