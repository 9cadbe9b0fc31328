import { type DelegationToken, delegationRefusal } from "../../domain/delegation.ts";
import { type Denial, denial } from "../../domain/errors.ts";
import { treeText } from "../../domain/executor.ts";
import { asksForBudget } from "../../domain/grant.ts";
import { ownerOf, sameOwner } from "../../domain/owner.ts";
import { formatProcess } from "../../domain/process.ts";
import { hasExpired, isClosed, permits } from "../../domain/step.ts";
import type { OpenStepAct, OpenStepResult } from "../../ports/ledger-acts.ts";
import { answered, ask, type Deliberation, read, recorded, refused } from "../rule.ts";
import type { BudgetHolder, GuardedEntry, GuardedPrincipal, GuardedRun, GuardedStep, LiveStep } from "../view.ts";
import type { Closing } from "./closing.ts";
import { budgetGuard, closingOfOthers, expiryGuard, parentGuard } from "./opening.ts";
import { principalRefusal } from "./principals.ts";
import { eachDecidedOn, guardsOf, outdated } from "./refusals.ts";

/** What the guards know of the tables. */
type Situation = {
  readonly run: GuardedRun | undefined;
  readonly principal: GuardedPrincipal | undefined;
  readonly parent: GuardedStep | undefined;
  readonly delegationToken: DelegationToken | undefined;
  readonly newest: GuardedStep | undefined;
  readonly opener: GuardedEntry | undefined;
  readonly openOfExecutor: number;
  /** Absent where nothing is asked for that the parent counts. */
  readonly lineage: readonly BudgetHolder[] | undefined;
  /** The other attempts of the step that are not closed, with their live descendants. */
  readonly otherAttempts: readonly LiveStep[];
  /** Those of them that opening this step closes. */
  readonly ending: readonly LiveStep[];
  /** The steps that the decision closes, with their live descendants. */
  readonly outOfBounds: readonly LiveStep[];
};

/** The guards stand in the order that the port gives them. */
export function* openStep(act: OpenStepAct): Deliberation<OpenStepResult | Denial> {
  const { step, now } = act;
  const { executor, openerEntryId, requestId } = step;
  const { earlier, ...found } = yield* ask({
    earlier: requestId === undefined ? undefined : read("stepByRequest", openerEntryId, step.opener, requestId),
    run: read("run", step.runId),
    principal: step.principal === undefined ? undefined : read("principal", step.principal.principalId),
    parent: step.parentStepId === undefined ? undefined : read("step", step.parentStepId),
    delegationToken: step.delegationJti === undefined ? undefined : read("delegationToken", step.delegationJti),
    newest: read("newestAttempt", step.runId, step.step),
    opener: read("entry", openerEntryId),
    ...guardsOf([act.decidedOn]),
    openOfExecutor: executor.kind === "any" ? undefined : read("liveStepsOfExecutor", executor.process),
    // Only what is asked for with a budget can be more than is left of one.
    lineage:
      step.parentStepId === undefined || !asksForBudget(step.grant) ? undefined : read("lineage", step.parentStepId),
  });
  if (earlier !== undefined && !hasExpired(earlier.expiresAt, now)) return repeatedRequest(act, earlier);

  const closes = act.decision.closes ?? [];
  const { otherAttempts = [], outOfBounds = [] } = yield* ask({
    otherAttempts:
      found.newest === undefined
        ? undefined
        : read("liveSteps", { kind: "attempts", runId: step.runId, step: step.step }, now),
    outOfBounds: closes.length === 0 ? undefined : read("liveSteps", { kind: "steps", stepIds: closes }, now),
  });
  // A step that waits for approval takes no other's place until it is approved.
  const ending = act.approval === undefined ? otherAttempts : [];
  const situation = { ...found, openOfExecutor: found.openOfExecutor ?? 0, otherAttempts, ending, outOfBounds };
  const refusal =
    runGuard(act, situation) ??
    principalRefusal(situation.principal, situation.run) ??
    eachDecidedOn([act.decidedOn], found)(act.decidedOn) ??
    erasureGuard(act, situation) ??
    parentGuard(step, step.expiresAt, situation) ??
    delegationGuard(act, situation) ??
    budgetGuard(step.grant, situation.lineage) ??
    attemptGuard(act, situation) ??
    limitsGuard(act, situation) ??
    expiryGuard(step.expiresAt, now);
  return refusal === undefined ? opened(act, closingOfOthers(act.decision, situation, now)) : refused(refusal);
}

function opened({ step, decision, approval, now }: OpenStepAct, closes: Closing["events"]) {
  const events = [
    { type: "decision.made", v: 1, at: now, decision } as const,
    ...closes,
    approval === undefined
      ? ({ type: "step.opened", v: 1, at: now, step } as const)
      : ({ type: "step.pending", v: 1, at: now, step, approval } as const),
  ];
  return recorded(events, (first): OpenStepResult => ({ kind: "opened", sequence: first + events.length - 1 }));
}

function repeatedRequest({ step }: OpenStepAct, earlier: GuardedStep) {
  return earlier.requestDigest === step.requestDigest
    ? answered<OpenStepResult>({ kind: "existing", stepId: earlier.stepId })
    : refused(denial("REQUEST_ID_REUSED", "this request_id was used for a different request"));
}

function runGuard({ step }: OpenStepAct, { run, parent }: Situation): Denial | undefined {
  if (run === undefined) return undefined;
  if (run.isBarred) return denial("NOT_ENTITLED", "the run was revoked");
  if (run.owner === undefined || sameOwner(run.owner, ownerOf(step))) return undefined;
  const isDelegated = parent !== undefined && parent.runId === step.runId && permits(parent.state);
  return isDelegated ? undefined : denial("NOT_ENTITLED", "the run belongs to another");
}

/** What was sealed of an erased principal is read by nobody. A child's is sealed as its parent's, which ended with it. */
function erasureGuard({ step, principalErasedAt }: OpenStepAct, { principal }: Situation): Denial | undefined {
  const isSame = step.parentStepId !== undefined || principal?.erasedAt === principalErasedAt;
  return isSame ? undefined : outdated("what is known of the principal");
}

function delegationGuard({ step, now }: OpenStepAct, { delegationToken }: Situation): Denial | undefined {
  const { delegationJti, parentStepId, openerEntryId } = step;
  return delegationJti === undefined
    ? undefined
    : delegationRefusal(delegationToken, { parentStepId, openerEntryId }, now);
}

function attemptGuard({ step, supersedes }: OpenStepAct, { newest, otherAttempts }: Situation): Denial | undefined {
  if (newest === undefined) return undefined;
  const metadata = { attempt: String(newest.attempt) };
  if (otherAttempts.length > 0 && !supersedes) {
    const message = isClosed(newest.state)
      ? `an attempt before attempt ${newest.attempt} of this step is not closed`
      : `attempt ${newest.attempt} of this step is ${newest.state}`;
    return denial("STEP_EXISTS", message, metadata);
  }
  if (newest.attempt >= step.attempt) {
    return denial("STALE_ATTEMPT", `the newest attempt of this step is ${newest.attempt}`, metadata);
  }
  return undefined;
}

function limitsGuard(
  { step, openStepsMax, executorOpenStepsMax }: OpenStepAct,
  situation: Situation,
): Denial | undefined {
  const { opener, openOfExecutor } = situation;
  const ending = [...new Map([...situation.ending, ...situation.outOfBounds].map((one) => [one.stepId, one])).values()];
  const freedOfEntry = ending.filter((one) => one.openerEntryId === step.openerEntryId).length;
  if (opener !== undefined && opener.openSteps - freedOfEntry >= openStepsMax) {
    return denial("LIMIT_EXCEEDED", `at most ${openStepsMax} open steps for one registration entry`);
  }
  if (step.executor.kind === "any") return undefined;
  const executor = formatProcess(step.executor.process);
  const own: readonly (string | undefined)[] = [executor, treeText(executor)];
  const freedOfExecutor = ending.filter((one) => own.includes(one.executor)).length;
  if (openOfExecutor - freedOfExecutor >= executorOpenStepsMax) {
    return denial("LIMIT_EXCEEDED", `at most ${executorOpenStepsMax} open steps for one executor`);
  }
  return undefined;
}
