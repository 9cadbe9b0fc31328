import type { OperatorActor } from "../../src/domain/actor.ts";
import type { Approved } from "../../src/domain/approval.ts";
import type { PendingCall } from "../../src/domain/call-approval.ts";
import type { Decision, ToolCall } from "../../src/domain/decision.ts";
import type { GrantElement } from "../../src/domain/grant.ts";
import type { CallApproved, CallPending, CallRefused, LedgerEvent } from "../../src/domain/ledger-event.ts";
import { addMicros, microsOf, type UnixMicros, type UnixSeconds } from "../../src/domain/time.ts";
import { approvalOf, entryInForce, type History, type ModelStep, note, openBeside, promise } from "./model-history.ts";

/** A call that waits for its approval, or has waited. */
export type ModelCallApproval = {
  readonly pending: PendingCall;
  /** When it can't be answered any more; once it is approved, when the call can't be made any more. */
  until: UnixSeconds;
  answer: { readonly approved: boolean; readonly by: OperatorActor } | undefined;
  /** The decision that allowed the call. */
  usedBy: string | undefined;
};

/** What the events say of calls that wait for approval. */
export type ModelCallApprovals = {
  readonly all: ReadonlyMap<string, ModelCallApproval>;
  /** @param before - the type of the event before. */
  wait(event: CallPending, before: LedgerEvent["type"] | undefined): void;
  approve(event: CallApproved): void;
  refuse(event: CallRefused): void;
  /** An allowed call takes the approval that it names. @returns what that sets aside, with what was approved of the step */
  use(one: ModelStep, decision: Decision, call: ToolCall, at: UnixMicros): Approved | undefined;
};

/** As the world's: how long a call waits, and then may be made; a second is rounded up. */
const APPROVAL_MICROS = 61_000_000;

export function createModelCallApprovals(history: History): ModelCallApprovals {
  const { steps, decisions, policies, facts } = history;
  const all = new Map<string, ModelCallApproval>();

  function waitingCall(approvalId: string, at: UnixMicros): ModelCallApproval {
    const one = all.get(approvalId);
    promise(one !== undefined && one.answer === undefined, "a call that is answered waits, so once at most");
    promise(microsOf(one.until) > at, "and is not answered too late");
    promise(steps.get(one.pending.stepId)?.state === "OPEN", "nor once its step has ended");
    return one;
  }

  /** The last that was asked for the same call, if it can still be answered or used, or was refused not so long ago. */
  function standing(pending: PendingCall, at: UnixMicros): ModelCallApproval | undefined {
    const same = [...all.values()].filter((one) => one.usedBy === undefined && microsOf(one.until) > at);
    return same.findLast((one) => callOf(one.pending, one.pending.call) === callOf(pending, pending.call));
  }

  return {
    all,
    wait({ pending, at }, before) {
      const { approvalId, stepId, call, decisionId, until, role } = pending;
      const one = steps.get(stepId);
      promise(one?.state === "OPEN" && microsOf(one.step.expiresAt) > at, "a call waits whose step is open");
      const decision = decisions.get(decisionId);
      promise(decision?.effect === "deny" && decision.stepId === stepId, "and that was denied");
      promise(before === "decision.made" && decision.call?.approvalId === approvalId, "which says what it waits for");
      promise(decision.callerEntryId === pending.askerEntryId, "and who asked about it");
      promise(until <= one.step.expiresAt && microsOf(until) <= addMicros(at, APPROVAL_MICROS), "not for too long");
      const question = {
        ...({ act: "call", elements: [useOf(call)], at: decision.decidedAt } as const),
        stepsOpen: openBeside(history, one).length,
        classes: facts.classesAround(one.step),
      };
      const ofStep = approvalOf(one);
      const isPermitted = policies.permits(one.step, { ...question, approved: ofStep });
      promise(!isPermitted, "a call that waits is not permitted by itself");
      const approved = withApproval(ofStep, { role, policies: pending.policies });
      promise(policies.permits(one.step, { ...question, approved }), "its approval alone is missing");
      const earlier = standing(pending, at);
      promise(
        earlier === undefined ||
          (earlier.answer?.approved === true &&
            !pending.policies.every((policy) => earlier.pending.policies.includes(policy))),
        "no call is asked about anew that waits, was refused, or was approved by whoever looked at the same policies",
      );
      all.set(approvalId, { pending, until, answer: undefined, usedBy: undefined });
    },
    approve({ approvalId, until, by, at }) {
      const one = waitingCall(approvalId, at);
      const { stepId, requesters, askerEntryId } = one.pending;
      const { content } = entryInForce(history, by.entryId);
      promise(content.kind === "operator" && content.role === "approver", "approvers approve calls, and nobody else");
      promise(!requesters.includes(by.uid) && by.entryId !== askerEntryId, "nobody approves what they asked for");
      const { step } = steps.get(stepId) ?? {};
      promise(step !== undefined && until <= step.expiresAt, "an approved call is made in its step's time");
      promise(microsOf(until) <= addMicros(at, APPROVAL_MICROS), "and not long after its approval");
      Object.assign(one, { until, answer: { approved: true, by } });
    },
    refuse({ approvalId, by, at }) {
      Object.assign(waitingCall(approvalId, at), { answer: { approved: false, by } });
    },
    use(step, { decisionId, callerEntryId = "" }, call, at) {
      const ofStep = approvalOf(step);
      if (call.approvalId === undefined) return ofStep;
      const one = all.get(call.approvalId);
      promise(one?.answer?.approved === true, "no call is allowed by an approval that it waits for, or was refused");
      promise(one.usedBy === undefined, "an approval is used once");
      promise(microsOf(one.until) > at, "and not when its time is over");
      const asked = callOf({ stepId: step.step.stepId, askerEntryId: callerEntryId }, call);
      promise(asked === callOf(one.pending, one.pending.call), "by the step, the server and the arguments it is for");
      one.usedBy = decisionId;
      note(history, "calls approved");
      return withApproval(ofStep, one.pending);
    },
  };
}

/** A call as the element that would grant it. */
export function useOf({ location, tool: identifier, actions, datatypes }: ToolCall): GrantElement {
  return { type: "mcp_tool", locations: [location], identifier, actions, datatypes };
}

/** All that tells a call from any other. */
function callOf({ stepId, askerEntryId }: Pick<PendingCall, "stepId" | "askerEntryId">, call: ToolCall): string {
  const { location, tool, actions, datatypes, argumentsSha256 } = call;
  promise(argumentsSha256 !== undefined, "what is approved has a digest of its arguments");
  const what = [location, tool, actions.toSorted(), datatypes.toSorted(), argumentsSha256];
  return JSON.stringify([stepId, askerEntryId, ...what]);
}

/** All policies of the simulation ask for the same role. */
function withApproval(ofStep: Approved | undefined, { role, policies }: Approved): Approved {
  return { role, policies: [...(ofStep?.policies ?? []), ...policies] };
}
