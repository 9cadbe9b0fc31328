import { callAnswerRefusal, callApprovalStateOf, isAskedFor, noSuchCall } from "../../domain/call-approval.ts";
import { type Denial, denial, isDenial } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { secondsOf, type UnixMicros } from "../../domain/time.ts";
import type { ApproveCallAct, RefuseCallAct } from "../../ports/approval-acts.ts";
import type { PendCallAct, PendedCall } from "../../ports/call-acts.ts";
import type { Sequenced } from "../../ports/ledger-acts.ts";
import { answered, ask, type Deliberation, read, recorded, refused } from "../rule.ts";
import type { GuardedCallApproval } from "../view.ts";
import { countingOf, readsOfCall } from "./calls.ts";
import { eachDecidedOn, guardsOf, outdated, stepRefusal } from "./refusals.ts";
import { recordedAll, writtenFrom } from "./sequenced.ts";

/** The guards stand in the order that the port gives them. */
export function* pendCall(act: PendCallAct): Deliberation<PendedCall | Denial> {
  const { pending, decision, now } = act;
  const { standing, ...found } = yield* ask({
    standing: read("standingCallApprovals", act.stepId, secondsOf(now)),
    ...readsOfCall(act),
  });
  // A call that its budget forbids need not be looked at by anybody.
  const counting = countingOf(act, pending.call, found);
  if (isDenial(counting)) return refused(counting);
  const newest = standing.findLast(({ requestDigest }) => requestDigest === pending.requestDigest);
  const isOutgrown = newest?.approved === true && !isAskedFor(newest, pending.policies);
  const existing = isOutgrown ? undefined : newest;
  if (existing !== undefined) {
    if (existing.approved === true) return refused(outdated("the approval"));
    const { approvalId, until } = existing;
    const state = existing.approved === undefined ? "waiting" : "refused";
    return answered({ kind: "existing", approvalId, state, until, sequence: 0 });
  }
  const max = LIMITS.callsPendingPerStepMax;
  // Of this server alone: another one that the step calls must not be able to use up the room.
  const ofAsker = standing.filter(({ askerEntryId }) => askerEntryId === pending.askerEntryId);
  if (ofAsker.length >= max) {
    return refused(denial("LIMIT_EXCEEDED", `${max} calls of the step wait for approval at this server`));
  }
  const events = [
    { type: "decision.made", v: 1, at: now, decision },
    { type: "call.pending", v: 1, at: now, pending },
  ] as const;
  const { approvalId, until } = pending;
  return recorded(events, (first): PendedCall => {
    const { sequence } = writtenFrom(first, events.length);
    return { kind: "pending", approvalId, state: "waiting", until, sequence };
  });
}

export function* approveCall(act: ApproveCallAct): Deliberation<Sequenced | Denial> {
  const { approvalId, until, decidedOn, reason, by, now } = act;
  const { approval, ...found } = yield* ask({
    approval: read("callApproval", approvalId),
    ...guardsOf([decidedOn]),
  });
  const refusal =
    answerGuard(approval, now) ?? requestGuard(act, approval) ?? eachDecidedOn([decidedOn], found)(decidedOn);
  if (refusal !== undefined) return refused(refusal);
  return recordedAll([{ type: "call.approved", v: 1, at: now, approvalId, until, reason, by }]);
}

export function* refuseCall({ approvalId, reason, by, now }: RefuseCallAct): Deliberation<Sequenced | Denial> {
  const { approval } = yield* ask({ approval: read("callApproval", approvalId) });
  const refusal = answerGuard(approval, now);
  if (refusal !== undefined) return refused(refusal);
  return recordedAll([{ type: "call.refused", v: 1, at: now, approvalId, reason, by }]);
}

/** A step that has ended is told as such: its call can't come again. */
function answerGuard(approval: GuardedCallApproval | undefined, now: UnixMicros): Denial | undefined {
  if (approval === undefined) return noSuchCall();
  const isAnswered = approval.approved !== undefined;
  const ended = isAnswered ? undefined : stepRefusal({ state: approval.stepState });
  return ended ?? callAnswerRefusal(callApprovalStateOf(approval, now));
}

function requestGuard({ requestDigest, by }: ApproveCallAct, approval: GuardedCallApproval | undefined) {
  if (approval?.requestDigest !== requestDigest) {
    return denial("INVALID_FIELD", "request_digest: that of the call that waits", { field: "request_digest" });
  }
  return approval.requesters.includes(by.uid)
    ? denial("NOT_ENTITLED", "the user who asked does not approve")
    : undefined;
}
