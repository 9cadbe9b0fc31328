import type { PendingApproval } from "../../src/domain/approval.ts";
import { type ApprovableCall, callDigestOf, type PendingCall } from "../../src/domain/call-approval.ts";
import type { ToolCall } from "../../src/domain/decision.ts";
import type { IssuanceRecord } from "../../src/domain/issuance.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import type { OpenedStep, Step } from "../../src/domain/step.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import type { ApproveCallAct, ApproveStepAct } from "../../src/ports/approval-acts.ts";
import type { PendCallAct, RecordCallAct } from "../../src/ports/call-acts.ts";
import type { OpenStepAct } from "../../src/ports/ledger-acts.ts";
import { done, type World } from "./ledger-world.ts";

const ASKER = "entry_verifier";

export const APPROVER = { kind: "operator", entryId: "entry_approver", uid: 52 } as const;

/** An opening that has to be approved within a minute. */
export function pendingAct(
  world: World,
  agent: RegistrationEntry,
  own: Partial<OpenedStep> = {},
  act: Partial<OpenStepAct> = {},
): OpenStepAct & { readonly approval: PendingApproval } {
  const until = addSeconds(secondsOf(world.clock.now()), 60);
  const asked = world.openAct(agent, { expiresAt: until, ...own }, act);
  const denied = { effect: "deny", reason: "POLICY_DENIED", granted: [], approval: "operators" } as const;
  return {
    ...asked,
    decision: { ...asked.decision, ...denied },
    approval: {
      role: "operators",
      policies: ["site.1"],
      until,
      stepSeconds: 300,
      requestDigest: "d".repeat(64),
      requesters: [33],
    },
  };
}

export async function pending(
  world: World,
  agent: RegistrationEntry,
  own: Partial<OpenedStep> = {},
  act: Partial<OpenStepAct> = {},
): Promise<Step> {
  const asked = pendingAct(world, agent, own, act);
  done(await world.ledger.perform(asked));
  return world.step(asked.step.stepId);
}

export function approveAct(world: World, step: Step, own: Partial<ApproveStepAct> = {}): ApproveStepAct {
  const now = world.clock.now();
  return {
    act: "approve-step",
    step,
    requestDigest: "d".repeat(64),
    decision: world.decisionOn(step, { decisionId: world.id("decision"), effect: "allow" }),
    decidedOn: { entries: [] },
    expiresAt: addSeconds(secondsOf(now), 300),
    reason: "r",
    by: APPROVER,
    now,
    ...own,
  };
}

/** A call that has to be approved within a minute, as a verifier asks about it. */
export function pendCallAct(
  world: World,
  step: Step,
  credential: IssuanceRecord,
  own: Partial<ApprovableCall> = {},
): PendCallAct {
  const now = world.clock.now();
  const { decision, ...asked } = callActBy(world, step, credential, own);
  const call = { argumentsSha256: "", ...decision.call };
  const approvalId = world.id("callApproval");
  const denied = { effect: "deny", reason: "POLICY_DENIED", granted: [], approval: "operators" } as const;
  return {
    ...asked,
    act: "pend-call",
    decision: { ...decision, ...denied, call: { ...call, approvalId } },
    pending: {
      approvalId,
      stepId: step.stepId,
      askerEntryId: ASKER,
      call,
      role: "operators",
      policies: ["site.1"],
      until: addSeconds(secondsOf(now), 60),
      requestDigest: callDigestOf(step.stepId, ASKER, call),
      requesters: [33],
      decisionId: decision.decisionId,
    },
  };
}

export async function pendingCall(...parameters: Parameters<typeof pendCallAct>): Promise<PendingCall> {
  const act = pendCallAct(...parameters);
  const [world] = parameters;
  done(await world.ledger.perform(act));
  return act.pending;
}

export function approveCallAct(
  world: World,
  { approvalId, requestDigest }: PendingCall,
  own: Partial<ApproveCallAct> = {},
): ApproveCallAct {
  const now = world.clock.now();
  const until = addSeconds(secondsOf(now), 60);
  const standing = { decidedOn: { entries: [] }, reason: "r", by: APPROVER };
  return { act: "approve-call", approvalId, requestDigest, until, ...standing, now, ...own };
}

/** A call as that verifier asks about it, by an approval where one is named. */
export function callActBy(
  world: World,
  step: Step,
  credential: IssuanceRecord,
  own: Partial<ToolCall> = {},
  asker = ASKER,
): RecordCallAct {
  const act = world.callAct(step, credential, own);
  return { ...act, decision: { ...act.decision, callerEntryId: asker } };
}
