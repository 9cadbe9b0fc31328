import {
  alsoFor,
  type FactScope,
  factScopesOf,
  isOfPrincipal,
  isOfRun,
  reachedFrom,
} from "../../src/domain/run-facts.ts";
import { isClosed, type OpenedStep, type StepState } from "../../src/domain/step.ts";

/** What the events say of data classes that were granted, by scope. */
export type ModelFacts = {
  /** Counts the grant of a step in all its scopes, which it connects: what is known of one is known of all from then on. */
  grant(step: OpenedStep): void;
  /** What was known around an open step stays known in its run. */
  closing(step: OpenedStep): void;
  /** Where the grant of a step counts, also for principals whom its run began to work for since. */
  scopesOf(step: OpenedStep): readonly FactScope[];
  /** The scopes of a step, and the runs that open steps connect with these. */
  around(step: OpenedStep): readonly FactScope[];
  classesOf(scopes: readonly FactScope[]): readonly string[];
  classesAround(step: OpenedStep): readonly string[];
};

type Standing = ReadonlyMap<string, { readonly step: OpenedStep; readonly state: StepState }>;

export function createModelFacts(steps: Standing): ModelFacts {
  const known = new Map<FactScope, ReadonlySet<string>>();
  /** Of steps that came to count for more principals than they were opened for. */
  const scopes = new Map<string, readonly FactScope[]>();

  const scopesOf = (step: OpenedStep) => scopes.get(step.stepId) ?? factScopesOf(step);
  const classesOf = (all: readonly FactScope[]) => [...new Set(all.flatMap((scope) => [...(known.get(scope) ?? [])]))];
  const around = (step: OpenedStep) => {
    const open = [...steps.values()].flatMap((one) => (one.state === "OPEN" ? [one.step] : []));
    return reachedFrom(scopesOf(step), (run) =>
      open.filter(({ runId }) => run === `run:${runId}`).flatMap((one) => scopesOf(one).filter(isOfRun)),
    );
  };

  function workFor(runs: readonly FactScope[], principals: readonly FactScope[]): void {
    if (principals.length === 0) return;
    const standing = [...steps.values()].flatMap(({ step, state }) => (isClosed(state) ? [] : [step]));
    const all = reachedFrom(runs, (run) =>
      standing.map(scopesOf).flatMap((own) => (own.includes(run) ? own.filter(isOfRun) : [])),
    );
    for (const step of standing) {
      const own = scopesOf(step);
      if (own.some((scope) => all.includes(scope))) scopes.set(step.stepId, alsoFor(own, principals));
    }
  }

  return {
    scopesOf,
    around,
    classesOf,
    classesAround: (step) => classesOf(around(step)),
    grant(step) {
      const all = around(step);
      const united = new Set([...classesOf(all), ...step.grant.flatMap(({ datatypes }) => datatypes)]);
      for (const scope of all) known.set(scope, united);
      const own = scopesOf(step);
      workFor(own.filter(isOfRun), own.filter(isOfPrincipal));
    },
    closing(step) {
      known.set(`run:${step.runId}`, new Set(classesOf(around(step))));
    },
  };
}
