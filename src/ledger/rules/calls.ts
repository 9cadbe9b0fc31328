import { type ApprovableCall, callApprovalStateOf, callDigestOf } from "../../domain/call-approval.ts";
import type { CountedBudget, Decision, ToolCall } from "../../domain/decision.ts";
import { type Denial, denial, isDenial } from "../../domain/errors.ts";
import { type CallCounts, coverageOf, type Grant, type GrantElement } from "../../domain/grant.ts";
import { hasExpired } from "../../domain/step.ts";
import type { PendCallAct, RecordCallAct, RecordedCall } from "../../ports/call-acts.ts";
import { ask, type Deliberation, read, recorded, refused } from "../rule.ts";
import type { BudgetHolder, GuardedCallApproval, GuardedIssuance } from "../view.ts";
import { eachDecidedOn, type Guards, guardsOf, outdated, stepNotFound, stepRefusal } from "./refusals.ts";

/** The guards stand in the order that the port gives them. */
export function* recordCall(act: RecordCallAct): Deliberation<RecordedCall | Denial> {
  const { decision, now } = act;
  const { approvalId } = decision.call;
  const { approval, ...found } = yield* ask({
    approval: approvalId === undefined ? undefined : read("callApproval", approvalId),
    ...readsOfCall(act),
  });
  const counting = countingOf(act, decision.call, found);
  if (isDenial(counting)) return refused(counting);
  const unapproved = approvalId === undefined ? undefined : approvalGuard(act, approval);
  if (unapproved !== undefined) return refused(unapproved);
  const event = { type: "decision.made", v: 1, at: now, decision: withCounted(decision, counting.counted) } as const;
  return recorded(
    [event],
    (sequence): RecordedCall => ({
      kind: "sequenced",
      sequence,
      ...(counting.callsLeft === undefined ? {} : { callsLeft: counting.callsLeft }),
    }),
  );
}

/** The reads whose answers `countingOf` needs. */
export function readsOfCall({ stepId, decidedOn, presented }: CallAct) {
  return {
    lineage: read("lineage", stepId),
    issuances: presented.issuanceIds.map((issuanceId) => read("issuance", issuanceId)),
    ofCredential: read("callsCounted", presented.issuanceId),
    ...guardsOf([decidedOn]),
  };
}

type CallAct = RecordCallAct | PendCallAct;

type FoundOfCall = Guards & {
  readonly lineage: readonly BudgetHolder[];
  readonly issuances: readonly (GuardedIssuance | undefined)[];
  readonly ofCredential: CallCounts;
};

/** What counts a call, if it may be made with this credential on what it was decided on. */
export function countingOf(act: CallAct, call: ToolCall, found: FoundOfCall): Counting | Denial {
  const { decidedOn } = act;
  const { lineage, issuances, ofCredential } = found;
  const [step] = lineage;
  const refusal = openGuard(step, act) ?? credentialGuard(issuances) ?? eachDecidedOn([decidedOn], found)(decidedOn);
  return refusal ?? budgetCounting(act, call, lineage, ofCredential);
}

/** Another use of the same approval may have come first: without it the call is decided again. */
function approvalGuard(
  { stepId, decision, now }: RecordCallAct,
  approval: GuardedCallApproval | undefined,
): Denial | undefined {
  const { call, callerEntryId = "" } = decision;
  const stands =
    approval !== undefined &&
    callApprovalStateOf(approval, now) === "approved" &&
    isApprovable(call) &&
    approval.requestDigest === callDigestOf(stepId, callerEntryId, call);
  return stands ? undefined : outdated("the approval");
}

function isApprovable(call: ToolCall): call is ApprovableCall {
  return call.argumentsSha256 !== undefined;
}

function withCounted(decision: RecordCallAct["decision"], counted: readonly CountedBudget[]): Decision {
  return counted.length === 0 ? decision : { ...decision, call: { ...decision.call, counted } };
}

function openGuard(step: BudgetHolder | undefined, { now }: CallAct): Denial | undefined {
  if (step === undefined) return stepNotFound();
  const refusal = stepRefusal(step);
  if (refusal !== undefined) return refusal;
  return hasExpired(step.expiresAt, now) ? denial("STEP_EXPIRING", "the step's time is over") : undefined;
}

function credentialGuard(issuances: readonly (GuardedIssuance | undefined)[]): Denial | undefined {
  const holds = issuances.every(
    (one) => one !== undefined && one.undeliveredSequence === undefined && one.revokedSequence === undefined,
  );
  return holds ? undefined : denial("NO_IDENTITY", "the credential was taken back");
}

/** By what a call is counted; `callsLeft` once it was. */
type Counting = { readonly counted: readonly CountedBudget[]; readonly callsLeft?: number };

/** One element that has to count a call. */
type Budget = CountedBudget & { readonly max: number; readonly left: number };

/**
 * Every grant on the way has to cover the call: the credential's, the step's, and those that the step's came from. Of a
 * credential that says no less than its step, nothing is counted: its step counts, for all of its credentials.
 */
function budgetCounting(
  { presented }: CallAct,
  { location, tool: identifier, actions, datatypes, definitionSha256 }: ToolCall,
  lineage: readonly BudgetHolder[],
  ofCredential: CallCounts,
): Counting | Denial {
  const use = {
    ...({ type: "mcp_tool", locations: [location], identifier, actions, datatypes } as const),
    ...(definitionSha256 === undefined ? {} : { definition_sha256: definitionSha256 }),
  };
  const ofPresented = budgetsOf(presented.issuanceId, presented.grant, ofCredential, use);
  if (isDenial(ofPresented)) return ofPresented;
  const ofSteps: Budget[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (const { stepId, grant, calls } of lineage) {
    const budgets = budgetsOf(stepId, grant, calls, use);
    if (isDenial(budgets)) return budgets;
    if (stepId === lineage[0]?.stepId) least = Math.min(...budgets.map(({ max }) => max));
    ofSteps.push(...budgets);
  }
  const all = [...ofPresented.filter(({ max }) => max < least), ...ofSteps];
  const spent = all.find(({ left }) => left <= 0);
  if (spent !== undefined) return denial("GRANT_EXCEEDED", `all ${spent.max} calls that the grant allows were made`);
  const counted = all.map(({ holder, element }) => ({ holder, element }));
  return all.length === 0 ? { counted } : { counted, callsLeft: Math.min(...all.map(({ left }) => left)) - 1 };
}

function budgetsOf(
  holder: string,
  grant: Grant,
  calls: CallCounts,
  use: Omit<GrantElement, "max_calls">,
): readonly Budget[] | Denial {
  const { isCovered, counted } = coverageOf(grant, use);
  if (!isCovered) return denial("GRANT_EXCEEDED", "the grant of the step does not permit this");
  return counted.map((element): Budget => {
    // Only elements with a bound are counted by.
    const max = grant[element]?.max_calls ?? 0;
    return { holder, element, max, left: max - (calls.get(element) ?? 0) };
  });
}
