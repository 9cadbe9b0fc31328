import { ExecutorKind, type Step, type StepApproval, StepState } from "../../gen/stint/v1/types_pb.js";
import { answerField } from "./approval-answer-field.ts";
import {
  enumField,
  grantField,
  instantCell,
  instantField,
  processField,
  secondsField,
  sequenceField,
  textField,
} from "./fields.ts";
import { type Json, styleOf, type View } from "./view.ts";

function approvalField(approval: StepApproval): Json {
  const { role, policies, until, stepDuration, requestDigest, requesterUids, answer } = approval;
  return {
    role,
    held_back_by: policies,
    until: instantField(until),
    step_seconds: secondsField(stepDuration),
    request_digest: requestDigest,
    requester_uids: requesterUids,
    answer: answerField(answer),
  };
}

export const stepView: View<Step> = {
  fields: [
    ["step_id", (step) => step.stepId],
    ["run_id", (step) => step.name?.runId ?? ""],
    ["step", (step) => step.name?.step ?? ""],
    ["attempt", (step) => step.name?.attempt ?? null],
    ["agent", (step) => step.agent],
    ["state", (step) => enumField(StepState, step.state)],
    ["spiffe_id", (step) => step.spiffeId],
    ["opened_at", (step) => instantField(step.openedAt)],
    ["expires_at", (step) => instantField(step.expiresAt)],
    ["lease_seconds", (step) => secondsField(step.lease)],
    ["lease_expires_at", (step) => instantField(step.leaseExpiresAt)],
    ["closed_at", (step) => instantField(step.closedAt)],
    ["close_reason", (step) => textField(step.closeReason)],
    ["close_decision_id", (step) => textField(step.closeDecisionId)],
    ["workflow", (step) => textField(step.workflow)],
    ["purpose", (step) => textField(step.purpose)],
    ["grant", (step) => grantField(step.grant)],
    ["audiences", (step) => step.audiences],
    ["parent_step_id", (step) => textField(step.parentStepId)],
    ["delegation_jti", (step) => textField(step.delegationJti)],
    ["decision_id", (step) => textField(step.decisionId)],
    ["approval", ({ approval }) => (approval === undefined ? null : approvalField(approval))],
    ["opener", (step) => processField(step.opener)],
    ["executor_kind", (step) => enumField(ExecutorKind, step.executorKind).toLowerCase()],
    ["executor", (step) => processField(step.executor)],
    ["principal", principalField],
    ["opened_sequence", (step) => sequenceField(step.openedSequence)],
    ["closed_sequence", (step) => sequenceField(step.closedSequence)],
  ],
  columns: [
    { header: "STEP_ID", text: (step) => step.stepId },
    { header: "RUN", text: (step) => step.name?.runId ?? "" },
    { header: "STEP", text: (step) => step.name?.step ?? "" },
    { header: "ATTEMPT", text: (step) => String(step.name?.attempt ?? ""), align: "right" },
    { header: "AGENT", text: (step) => step.agent },
    {
      header: "STATE",
      text: (step) => enumField(StepState, step.state),
      style: (step) => styleOf(step.state === StepState.OPEN, step.state === StepState.REVOKED),
    },
    { header: "OPENED", text: (step) => instantCell(step.openedAt) },
    { header: "EXPIRES", text: (step) => instantCell(step.expiresAt) },
    { header: "CLOSED", text: (step) => instantCell(step.closedAt) },
    { header: "PRINCIPAL", text: principalCell },
  ],
};

/** Whom the step works for; empty for nobody. */
function principalCell({ principal }: Step): string {
  if (principal === undefined) return "";
  return principal.subject === "" ? "(erased)" : principal.subject;
}

/** Without a name once it was erased. */
function principalField({ principal }: Step): Json {
  if (principal === undefined) return null;
  const { principalId, issuer, subject } = principal;
  if (issuer === "") return { principal_id: principalId, erased: true };
  return { issuer, subject, principal_id: principalId };
}
