import type { StepClosed } from "../../src/domain/ledger-event.ts";
import type { FactScope } from "../../src/domain/run-facts.ts";
import type { OpenedStep } from "../../src/domain/step.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import {
  approvalOf,
  type History,
  type ModelStep,
  note,
  openInEachScope,
  openSteps,
  promise,
} from "./model-history.ts";

/** What the events say of steps that a grant puts out of bounds, since its run was granted what must stay inside. */
export type ModelBounds = {
  /** A step that policies end by a grant, which is recorded next. */
  closing(event: StepClosed): void;
  /** Counts what is granted; no open step that was judged by these policies may be out of bounds then. */
  granted(step: OpenedStep): void;
};

/** A step that a grant ends, with when that was decided, and how many steps may have been counted beside it then. */
type PutOut = {
  readonly one: ModelStep;
  readonly decisionId: string;
  readonly at: UnixMicros;
  readonly stepsOpen: number;
};

export function createModelBounds(history: History): ModelBounds {
  const { steps, decisions, policies, facts } = history;
  /** Steps that the act which is being told has put out of bounds, as they were. */
  const outOfBounds: PutOut[] = [];
  /** Where what open steps are bound by was known before the first of these ended. */
  let aroundBefore = new Map<ModelStep, readonly FactScope[]>();

  return {
    closing({ stepId, decisionId = "" }) {
      const [root, decision] = [steps.get(stepId), decisions.get(decisionId)];
      if (root === undefined || decision?.effect !== "allow") return;
      promise(decision.closes?.includes(stepId) === true, "a grant ends what its decision names");
      if (outOfBounds.length === 0) {
        aroundBefore = new Map(openSteps(history).map((one) => [one, facts.around(one.step)]));
      }
      const at = decision.situation?.at ?? decision.decidedAt;
      outOfBounds.push({ one: root, decisionId, at, stepsOpen: openInEachScope(history, root, at) });
    },
    granted(step) {
      const scopes = facts.scopesOf(step);
      facts.grant(step);
      for (const { one, decisionId, at, stepsOpen } of outOfBounds.splice(0)) {
        promise(decisionId === step.decisionId, "what a grant puts out of bounds ends in the act that grants it");
        const classes = facts.classesOf([...scopes, ...(aroundBefore.get(one) ?? [])]);
        const question = { at, stepsOpen: stepsOpen + scopes.length, classes, approved: approvalOf(one) };
        promise(!policies.permits(one.step, question), "a grant ends only what it puts out of bounds");
      }
      for (const { step: one, judged } of openSteps(history)) {
        if (judged < policies.activatedAt()) continue;
        const around = facts.around(one);
        if (around.length > facts.scopesOf(one).length) note(history, "bound in a connected run");
        promise(
          !policies.isOutOfBounds(one, facts.classesOf(around)),
          "no open step is out of bounds of what was granted around it",
        );
      }
    },
  };
}
