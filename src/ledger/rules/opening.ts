import { type Denial, denial } from "../../domain/errors.ts";
import { type Grant, grantLeft, isWithin } from "../../domain/grant.ts";
import { LIMITS } from "../../domain/limits.ts";
import { permits, type Step } from "../../domain/step.ts";
import { addMicros, microsOf, type UnixMicros, type UnixSeconds } from "../../domain/time.ts";
import type { OpenStepAct } from "../../ports/ledger-acts.ts";
import type { BudgetHolder, GuardedStep, LiveStep } from "../view.ts";
import { type Closing, closingOf } from "./closing.ts";

/** What a step that is opened, at once or by an approval, has to do with others. */
type Others = {
  readonly parent: GuardedStep | undefined;
  /** The steps that it closes as its newest attempt, with their live descendants. */
  readonly ending: readonly LiveStep[];
  /** The steps that the decision closes, with their live descendants. */
  readonly outOfBounds: readonly LiveStep[];
};

/** A step that both would close is closed once: what policy puts out of bounds ends as REVOKED. */
export function closingOfOthers(
  { decisionId }: OpenStepAct["decision"],
  { ending, outOfBounds }: Others,
  now: UnixMicros,
): Closing["events"] {
  const policy = { kind: "broker", cause: "policy" } as const;
  const attempt = { kind: "broker", cause: "attempt" } as const;
  const revoking = closingOf(outOfBounds, { state: "REVOKED", reason: "privilegeWithdrawn", by: policy, now });
  const revoked = new Set(outOfBounds.map(({ stepId }) => stepId));
  const older = ending.filter(({ stepId }) => !revoked.has(stepId));
  const superseding = closingOf(older, { state: "SUPERSEDED", reason: "superseded", by: attempt, now });
  return [...revoking.events.map((event) => ({ ...event, decisionId })), ...superseding.events];
}

export function parentGuard(
  { parentStepId }: Pick<Step, "parentStepId">,
  expiresAt: UnixSeconds,
  { parent, ending, outOfBounds }: Others,
): Denial | undefined {
  if (parentStepId === undefined) return undefined;
  if (parent === undefined) return denial("DELEGATION_REFUSED", "no such parent step");
  if (!permits(parent.state)) return denial("DELEGATION_REFUSED", `the parent step is ${parent.state}`);
  if (parent.expiresAt < expiresAt) return denial("DELEGATION_REFUSED", "the parent step ends before");
  // A step that replaced its own ancestor would be left without a parent.
  const endsWithThis = [...ending, ...outOfBounds].some(({ stepId }) => stepId === parent.stepId);
  return endsWithThis ? denial("DELEGATION_REFUSED", "opening this step would close its parent") : undefined;
}

/** The parent may have made calls since this was decided: it is decided again, on what is left. */
export function budgetGuard(grant: Grant, lineage: readonly BudgetHolder[] | undefined): Denial | undefined {
  const [parent] = lineage ?? [];
  if (parent === undefined || isWithin(grant, grantLeft(parent.grant, parent.calls))) return undefined;
  return denial("DECISION_OUTDATED", "the parent step has not so many calls left as when this was decided: ask again");
}

export function expiryGuard(expiresAt: UnixSeconds, now: UnixMicros): Denial | undefined {
  // Written as "not enough", so that a NaN is refused.
  const isEnough = microsOf(expiresAt) >= addMicros(now, LIMITS.stepSecondsLeftMin * 1_000_000);
  return isEnough
    ? undefined
    : denial(
        "STEP_EXPIRING",
        `at least ${LIMITS.stepSecondsLeftMin} s have to be left once it is open: ask for a few more`,
      );
}
