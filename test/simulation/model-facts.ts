import { type FactScope, factScopesOf, isOfRun, reachedFrom } from "../../src/domain/run-facts.ts";
import type { OpenedStep } from "../../src/domain/step.ts";

/** What the events say of data classes that were granted, by scope. */
export type ModelFacts = {
  /** Counts the grant of a step in all its scopes, which it connects: what is known of one is known of all from then on. */
  grant(step: OpenedStep): void;
  /** What was known around an open step stays known in its run. */
  closing(step: OpenedStep): void;
  /** The scopes of a step, and the runs that open steps connect with these. */
  around(step: OpenedStep): readonly FactScope[];
  classesOf(scopes: readonly FactScope[]): readonly string[];
  classesAround(step: OpenedStep): readonly string[];
};

/** @param open - the steps that are open now. */
export function createModelFacts(open: () => readonly OpenedStep[]): ModelFacts {
  const known = new Map<FactScope, ReadonlySet<string>>();
  const classesOf = (scopes: readonly FactScope[]) => [
    ...new Set(scopes.flatMap((scope) => [...(known.get(scope) ?? [])])),
  ];
  const around = (step: OpenedStep) => {
    const all = open();
    return reachedFrom(factScopesOf(step), (run) =>
      all.filter(({ runId }) => run === `run:${runId}`).flatMap((one) => factScopesOf(one).filter(isOfRun)),
    );
  };
  return {
    around,
    classesOf,
    classesAround: (step) => classesOf(around(step)),
    grant(step) {
      const scopes = around(step);
      const all = new Set([...classesOf(scopes), ...step.grant.flatMap(({ datatypes }) => datatypes)]);
      for (const scope of scopes) known.set(scope, all);
    },
    closing(step) {
      known.set(`run:${step.runId}`, new Set(classesOf(around(step))));
    },
  };
}
