import { isWithin } from "../../src/domain/grant.ts";
import type { LedgerEvent, StepApproved, StepPending } from "../../src/domain/ledger-event.ts";
import { microsOf } from "../../src/domain/time.ts";
import type { ModelBounds } from "./model-bounds.ts";
import {
  attemptsOf,
  callsLeftOf,
  entryInForce,
  type History,
  isPermitted,
  isStanding,
  latestEnd,
  leaseEnd,
  promise,
  UNTOUCHED,
} from "./model-history.ts";
import type { ModelPrincipals } from "./model-principals.ts";
import type { ModelTerms } from "./model-terms.ts";

/** What the events say of steps that wait for approval. */
export type ModelApprovals = {
  /** @param before - the type of the event before. */
  wait(event: StepPending, before: LedgerEvent["type"] | undefined, sequence: number): void;
  approve(event: StepApproved, sequence: number): void;
};

type Parts = { readonly terms: ModelTerms; readonly bounds: ModelBounds; readonly principals: ModelPrincipals };

export function createModelApprovals(history: History, { terms, bounds, principals }: Parts): ModelApprovals {
  const { steps, decisions } = history;

  return {
    wait({ step, approval, at }, before, sequence) {
      terms.asked(step, at);
      const { stepId, decisionId } = step;
      const decision = decisions.get(decisionId);
      promise(decision?.effect === "deny" && decision.stepId === stepId, "what waits was denied");
      promise(decision.granted.length === 0, "and is granted nothing");
      promise(before === "decision.made", "nor takes anybody's place");
      promise(!isPermitted(history, step, decision), "what waits is not permitted by itself");
      promise(isPermitted(history, step, decision, approval), "the approval alone is missing");
      promise(step.expiresAt === approval.until, "it waits until its approval comes too late");
      const waiting = { state: "PENDING_APPROVAL", leaseExpiresAt: undefined, judged: sequence } as const;
      steps.set(stepId, { step, approval, ...waiting, ...UNTOUCHED });
    },
    approve({ stepId, decisionId, expiresAt, by, at }, sequence) {
      const one = steps.get(stepId);
      promise(
        one?.state === "PENDING_APPROVAL" && one.approval !== undefined,
        "what is approved waits, so once at most",
      );
      const { approval } = one;
      const step = { ...one.step, decisionId, expiresAt };
      const agent = terms.permitted(step);
      const { content } = entryInForce(history, by.entryId);
      promise(content.kind === "operator" && content.role === "approver", "approvers approve, and nobody else");
      promise(!approval.requesters.includes(by.uid), "nobody approves what they asked for");
      promise(microsOf(approval.until) > at, "an approval does not come too late");
      promise(microsOf(expiresAt) <= latestEnd(agent, at), "nor lasts what is approved too long");
      const parent = step.parentStepId === undefined ? undefined : steps.get(step.parentStepId);
      promise(parent === undefined || parent.state === "OPEN", "the parent of what is approved is open");
      promise(parent === undefined || expiresAt <= parent.step.expiresAt, "and lasts as long");
      promise(parent === undefined || isWithin(step.grant, callsLeftOf(history, parent.step)), "and has as much left");
      promise(!terms.isBarred(step.runId), "what is approved is in no run that was revoked");
      principals.approved(step);
      const others = attemptsOf(history, step).filter((other) => other !== one);
      promise(!others.some(isStanding), "what is approved has taken the place of other attempts");
      promise(!others.some((other) => other.step.attempt > step.attempt), "and is the newest attempt");
      const decision = decisions.get(decisionId);
      promise(decision?.effect === "allow" && decision.stepId === stepId, "an approval is an allow of its own");
      promise(
        isPermitted(history, step, decision, approval),
        "what is approved is permitted by the policies in force then",
      );
      Object.assign(one, { step, state: "OPEN", approvedBy: by, judged: sequence, leaseExpiresAt: leaseEnd(step, at) });
      bounds.granted(step);
    },
  };
}
