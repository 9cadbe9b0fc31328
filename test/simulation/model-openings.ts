import { isWithin } from "../../src/domain/grant.ts";
import type { OpenedStep } from "../../src/domain/step.ts";
import { microsOf, type UnixMicros } from "../../src/domain/time.ts";
import type { ModelBounds } from "./model-bounds.ts";
import {
  attemptsOf,
  type History,
  isPermitted,
  isStanding,
  latestEnd,
  leaseEnd,
  note,
  promise,
  UNTOUCHED,
} from "./model-history.ts";
import type { ModelTerms } from "./model-terms.ts";

/** Holds a step that is opened at once, with all that was asked for or a part, against what came before. */
export function modelOpening(
  history: History,
  { terms, bounds }: { readonly terms: ModelTerms; readonly bounds: ModelBounds },
) {
  const { steps, decisions } = history;

  return (step: OpenedStep, at: UnixMicros, sequence: number): void => {
    const { stepId, decisionId } = step;
    const agent = terms.asked(step, at);
    promise(microsOf(step.expiresAt) <= latestEnd(agent, at), "nor more than allowed");
    promise(
      attemptsOf(history, step).every((one) => !isStanding(one)),
      "one attempt of a step is open",
    );
    const decision = decisions.get(decisionId);
    promise(decision?.effect === "allow" && decision.stepId === stepId, "a step is opened by an allow of its own");
    promise(isWithin(step.grant, decision.requested), "a grant is within the request");
    promise(isPermitted(history, step, decision), "what is opened is permitted by the policies in force");
    const leaseExpiresAt = leaseEnd(step, at);
    steps.set(stepId, { step, state: "OPEN", approval: undefined, leaseExpiresAt, judged: sequence, ...UNTOUCHED });
    bounds.granted(step);
    if (step.delegationJti !== undefined) note(history, "opened by a token");
    if (step.principal !== undefined) note(history, "opened for a principal");
  };
}
