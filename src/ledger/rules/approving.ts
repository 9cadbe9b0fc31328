import { answerRefusal, tooLateToApprove } from "../../domain/awaiting-approval.ts";
import { type Denial, denial } from "../../domain/errors.ts";
import { asksForBudget } from "../../domain/grant.ts";
import type { LedgerEvent } from "../../domain/ledger-event.ts";
import { hasExpired, REASON_OF_STATE } from "../../domain/step.ts";
import type { UnixMicros } from "../../domain/time.ts";
import type { ApproveStepAct, RefuseStepAct } from "../../ports/approval-acts.ts";
import type { CloseResult, Sequenced } from "../../ports/ledger-acts.ts";
import { ask, type Deliberation, read, recorded, refused } from "../rule.ts";
import type { GuardedRun, GuardedStep } from "../view.ts";
import { closeResult, closingOf } from "./closing.ts";
import { budgetGuard, closingOfOthers, expiryGuard, parentGuard } from "./opening.ts";
import { principalRefusal } from "./principals.ts";
import { eachDecidedOn, guardsOf, stepNotFound } from "./refusals.ts";
import { recordedAll } from "./sequenced.ts";

/** The guards stand in the order that the port gives them. */
export function* approveStep(act: ApproveStepAct): Deliberation<Sequenced | Denial> {
  const { step, decision, expiresAt, reason, by, now } = act;
  const { stepId, runId, parentStepId } = step;
  const closes = decision.closes ?? [];
  const { attempts, ...found } = yield* ask({
    pending: read("step", stepId),
    run: read("run", runId),
    principal: step.principal === undefined ? undefined : read("principal", step.principal.principalId),
    delegationToken: step.delegationJti === undefined ? undefined : read("delegationToken", step.delegationJti),
    parent: parentStepId === undefined ? undefined : read("step", parentStepId),
    lineage: parentStepId === undefined || !asksForBudget(step.grant) ? undefined : read("lineage", parentStepId),
    newest: read("newestAttempt", runId, step.step),
    attempts: read("liveSteps", { kind: "attempts", runId, step: step.step }, now),
    outOfBounds: read("liveSteps", { kind: "steps", stepIds: closes }, now),
    ...guardsOf([act.decidedOn]),
  });
  const situation = { ...found, ending: attempts.filter((one) => one.stepId !== stepId) };
  const refusal =
    waitingGuard(found.pending, now) ??
    requestGuard(act, found.pending) ??
    runGuard(found.run) ??
    principalRefusal(found.principal, found.run) ??
    eachDecidedOn([act.decidedOn], found)(act.decidedOn) ??
    parentGuard(step, expiresAt, situation) ??
    tokenGuard(found.delegationToken) ??
    budgetGuard(step.grant, found.lineage) ??
    attemptGuard(stepId, found.newest) ??
    expiryGuard(expiresAt, now);
  if (refusal !== undefined) return refused(refusal);
  const { decisionId } = decision;
  return recordedAll([
    { type: "decision.made", v: 1, at: now, decision },
    ...closingOfOthers(decision, situation, now),
    { type: "step.approved", v: 1, at: now, stepId, decisionId, expiresAt, reason, by },
  ]);
}

export function* refuseStep({ stepId, reason, by, now }: RefuseStepAct): Deliberation<CloseResult | Denial> {
  const { pending, live } = yield* ask({
    pending: read("step", stepId),
    live: read("liveSteps", { kind: "steps", stepIds: [stepId] }, now),
  });
  const refusal = pending === undefined ? stepNotFound() : answerRefusal(pending);
  if (refusal !== undefined) return refused(refusal);
  const closing = closingOf(live, { state: "REFUSED", reason: REASON_OF_STATE.REFUSED, by, now });
  const events: LedgerEvent[] = [{ type: "step.refused", v: 1, at: now, stepId, reason, by }, ...closing.events];
  return recorded(events, (first) => closeResult(closing, { events, first, closedAt: now }));
}

function waitingGuard(step: GuardedStep | undefined, now: UnixMicros): Denial | undefined {
  if (step === undefined) return stepNotFound();
  const refusal = answerRefusal(step);
  if (refusal !== undefined || step.approval === undefined) return refusal;
  return hasExpired(step.approval.until, now) ? tooLateToApprove() : undefined;
}

function requestGuard({ requestDigest, by }: ApproveStepAct, step: GuardedStep | undefined): Denial | undefined {
  const approval = step?.approval;
  if (approval?.requestDigest !== requestDigest) {
    const metadata = { field: "request_digest" };
    return denial("INVALID_FIELD", "request_digest: that of the request that waits", metadata);
  }
  return approval.requesters.includes(by.uid)
    ? denial("NOT_ENTITLED", "the user who asked does not approve")
    : undefined;
}

function runGuard(run: GuardedRun | undefined): Denial | undefined {
  return run?.isBarred === true ? denial("NOT_ENTITLED", "the run was revoked") : undefined;
}

/** A use of the token was taken when it was asked; what it let in goes with it if it is taken back before the approval. */
function tokenGuard(token: { readonly isTakenBack: boolean } | undefined): Denial | undefined {
  return token?.isTakenBack === true ? denial("DELEGATION_REFUSED", "the delegation token was revoked") : undefined;
}

/** A newer attempt, whatever became of it, has fenced this one off. */
function attemptGuard(stepId: string, newest: GuardedStep | undefined): Denial | undefined {
  if (newest === undefined || newest.stepId === stepId) return undefined;
  const metadata = { attempt: String(newest.attempt) };
  return denial("STALE_ATTEMPT", `the newest attempt of this step is ${newest.attempt}`, metadata);
}
