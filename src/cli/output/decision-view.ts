import {
  type Decision,
  Effect,
  type OpenerFacts,
  type RefusedCaller,
  type Situation,
  type ToolCall,
} from "../../gen/stint/v1/history_pb.js";
import { enumField, grantField, hexField, instantCell, instantField, sequenceField, textField } from "./fields.ts";
import { type Json, styleOf, type View } from "./view.ts";

export const decisionView: View<Decision> = {
  fields: [
    ["sequence", (decision) => sequenceField(decision.sequence)],
    ["decision_id", (decision) => decision.decisionId],
    ["effect", (decision) => effectOf(decision)],
    ["reason", (decision) => textField(decision.reason)],
    ["decided_at", (decision) => instantField(decision.decidedAt)],
    ["agent", (decision) => textField(decision.agent)],
    ["run_id", (decision) => textField(decision.stepName?.runId ?? "")],
    ["step", (decision) => textField(decision.stepName?.step ?? "")],
    ["attempt", (decision) => attemptOf(decision)],
    ["step_id", (decision) => textField(decision.stepId)],
    ["caller_entry_id", (decision) => textField(decision.callerEntryId)],
    ["requested", (decision) => grantField(decision.requested)],
    ["granted", (decision) => grantField(decision.granted)],
    ["refused", (decision) => grantField(decision.refused)],
    ["determining_policies", (decision) => decision.determiningPolicies],
    ["policy_digest", (decision) => textField(decision.policyDigest)],
    ["call", (decision) => callField(decision.call)],
    ["act", (decision) => textField(decision.act)],
    ["policy_version", (decision) => (decision.policyVersion === 0 ? null : decision.policyVersion)],
    ["policy_errors", (decision) => decision.policyErrors],
    ["situation", (decision) => situationField(decision.situation)],
    ["closes", (decision) => decision.closes],
    ["count", (decision) => decision.count],
    ["approval", (decision) => textField(decision.approval)],
    ["message", (decision) => textField(decision.message)],
    ["caller", (decision) => callerField(decision.caller)],
    ["opening", ({ opening }) => (opening === undefined ? null : openerFields(opening))],
  ],
  columns: [
    { header: "SEQUENCE", text: (decision) => String(decision.sequence), align: "right" },
    {
      header: "EFFECT",
      text: effectOf,
      style: (decision) => styleOf(decision.effect === Effect.ALLOW, decision.effect === Effect.DENY),
    },
    { header: "ACT", text: (decision) => decision.act },
    {
      header: "POLICIES",
      text: ({ policyVersion, policyErrors }) =>
        policyVersion === 0 ? "" : `${policyVersion}${policyErrors.length === 0 ? "" : " (errors)"}`,
      align: "right",
    },
    { header: "REASON", text: (decision) => decision.reason },
    { header: "APPROVAL", text: approvalCell },
    { header: "CALLER", text: (decision) => callerCell(decision.caller) },
    { header: "COUNT", text: (decision) => String(decision.count), align: "right" },
    { header: "AGENT", text: (decision) => decision.agent },
    { header: "RUN", text: (decision) => decision.stepName?.runId ?? "" },
    { header: "STEP", text: (decision) => decision.stepName?.step ?? "" },
    { header: "ATTEMPT", text: (decision) => String(attemptOf(decision) ?? ""), align: "right" },
    { header: "DECIDED", text: (decision) => instantCell(decision.decidedAt) },
    { header: "DECISION_ID", text: (decision) => decision.decisionId },
  ],
};

function effectOf(decision: Decision): string {
  return enumField(Effect, decision.effect).toLowerCase();
}

/** A denied opening may have named no attempt, which is 0 on the wire. */
function attemptOf(decision: Decision): number | null {
  const attempt = decision.stepName?.attempt ?? 0;
  return attempt === 0 ? null : attempt;
}

/** Whose approval would help, or whose was given: `needs operators`, `has operators`. */
function approvalCell({ approval, situation }: Decision): string {
  if (approval !== "") return `needs ${approval}`;
  const approved = situation?.approved ?? "";
  return approved === "" ? "" : `has ${approved}`;
}

export function callField(call: ToolCall | undefined): Json {
  if (call === undefined) return null;
  return {
    location: call.location,
    tool: call.tool,
    actions: call.actions,
    datatypes: call.datatypes,
    arguments_sha256: hexField(call.argumentsSha256),
    jti: textField(call.jti),
    counted: call.counted.map(({ holder, element }) => ({ holder, element })),
    approval_id: textField(call.approvalId),
  };
}

/** The state of the world that policies were asked on. */
function situationField(situation: Situation | undefined): Json {
  if (situation === undefined) return null;
  return {
    ...openerFields(situation),
    principal_id: textField(situation.principalId),
    workflow: textField(situation.workflow),
    classes: situation.classes,
    actions: situation.actions,
    steps_open: situation.stepsOpen,
    steps: situation.steps,
    risk: { domain: situation.riskDomain, agent: situation.riskAgent, run: situation.riskRun },
    depth: situation.depth,
    approved: textField(situation.approved),
    approved_policies: situation.approvedPolicies,
    fewer_calls: situation.fewerCalls.map(({ element, calls }) => ({ element, calls })),
  };
}

/** Who opened the step; the members of a parent only where there was one. */
function openerFields({
  runtime,
  parent,
  parentAgent,
  selectors,
}: Pick<OpenerFacts, "runtime" | "parent" | "parentAgent" | "selectors">) {
  return {
    runtime: textField(runtime),
    parent:
      parent === undefined
        ? null
        : { agent: parentAgent, run_id: parent.runId, step: parent.step, attempt: parent.attempt },
    selectors,
  };
}

function callerField(caller: RefusedCaller | undefined): Json {
  if (caller === undefined) return null;
  return {
    uid: caller.uid ?? null,
    executable: textField(caller.executable),
    executable_sha256: hexField(caller.executableSha256),
    selectors: caller.selectors,
  };
}

/** `1001 node`: the user, and what the user's process executes. */
function callerCell(caller: RefusedCaller | undefined): string {
  return [caller?.uid ?? "", caller?.executable ?? ""].join(" ").trim();
}
