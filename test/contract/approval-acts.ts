import type { PendingApproval } from "../../src/domain/approval.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import type { OpenedStep, Step } from "../../src/domain/step.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import type { ApproveStepAct } from "../../src/ports/approval-acts.ts";
import type { OpenStepAct } from "../../src/ports/ledger-acts.ts";
import { done, type World } from "./ledger-world.ts";

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
