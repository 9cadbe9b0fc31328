import { withDescendants } from "../../../src/domain/descendants.ts";
import { type FactScope, isOfPrincipal, isOfRun, reachedFrom } from "../../../src/domain/run-facts.ts";
import type { Step } from "../../../src/domain/step.ts";

type Known = { readonly classes: ReadonlySet<string>; readonly actions: ReadonlySet<string> };
type Granted = { readonly classes: readonly string[]; readonly actions: readonly string[] };
type Opened = Pick<Step, "stepId" | "runId" | "parentStepId">;

type KnownIn = Granted & { readonly scope: FactScope; readonly principals: readonly FactScope[] };

/** What is known of runs and principals, kept as sets of what is open: no counts, no versions, nothing that is stored. */
export type FactsModel = {
  /** Where the grant of a step counts that counts in these scopes by itself. */
  countsIn(asked: readonly FactScope[]): readonly FactScope[];
  open(step: Opened, scopes: readonly FactScope[], granted: Granted): void;
  /** With all that was delegated from it. */
  close(stepId: string): void;
  /** Of all steps, in the order in which they were opened; each in order. */
  scopes(): readonly (readonly FactScope[])[];
  /** Of each scope, with what is known in the runs that it is connected with. */
  known(): readonly KnownIn[];
  /** Open steps that are bound by what is granted in these scopes, in the order in which they were opened. */
  boundBy(scopes: readonly FactScope[]): readonly string[];
};

const NOTHING: Known = { classes: new Set(), actions: new Set() };

export function createFactsModel(): FactsModel {
  const steps = new Map<string, { readonly step: Opened; scopes: readonly FactScope[]; isOpen: boolean }>();
  const known = new Map<FactScope, Known>();
  const worksFor = new Map<FactScope, ReadonlySet<FactScope>>();

  const openIn = (run: FactScope) =>
    [...steps.values()].filter(({ step, isOpen }) => isOpen && `run:${step.runId}` === run);
  const around = (scopes: readonly FactScope[]) =>
    reachedFrom(scopes, (run) => openIn(run).flatMap((one) => one.scopes.filter(isOfRun)));

  function unite(scopes: readonly FactScope[], { classes, actions }: Granted): Known {
    const all = scopes.map((scope) => known.get(scope) ?? NOTHING);
    return {
      classes: new Set([...all.flatMap((one) => [...one.classes]), ...classes]),
      actions: new Set([...all.flatMap((one) => [...one.actions]), ...actions]),
    };
  }

  function workFor(runs: readonly FactScope[], principals: readonly FactScope[]): void {
    const standing = [...steps.values()].filter(({ isOpen }) => isOpen);
    const all = reachedFrom(runs, (run) =>
      standing.filter(({ scopes }) => scopes.includes(run)).flatMap(({ scopes }) => scopes.filter(isOfRun)),
    );
    for (const run of all) worksFor.set(run, new Set([...(worksFor.get(run) ?? []), ...principals]));
    for (const one of standing) {
      if (one.scopes.some((scope) => all.includes(scope))) one.scopes = [...new Set([...one.scopes, ...principals])];
    }
  }

  return {
    countsIn: (asked) => [...new Set([...asked, ...around(asked).flatMap((run) => [...(worksFor.get(run) ?? [])])])],
    open(step, scopes, granted) {
      const all = around(scopes);
      const united = unite(all, granted);
      for (const scope of all) known.set(scope, united);
      steps.set(step.stepId, { step, scopes, isOpen: true });
      workFor(scopes.filter(isOfRun), scopes.filter(isOfPrincipal));
    },
    close(stepId) {
      const ended = withDescendants(stepId, (parent) =>
        [...steps.values()]
          .filter(({ step, isOpen }) => isOpen && step.parentStepId === parent)
          .map(({ step }) => step.stepId),
      );
      for (const one of ended.flatMap((id) => steps.get(id) ?? [])) {
        const run: FactScope = `run:${one.step.runId}`;
        const scopes = around(one.scopes);
        one.isOpen = false;
        const isCutOff = one.scopes.some((scope) => isOfRun(scope) && !around([run]).includes(scope));
        // What is still connected need not be written down; what is, says no more than what is connected.
        if (isCutOff) known.set(run, unite(scopes, { classes: [], actions: [] }));
      }
    },
    scopes: () => [...steps.values()].map(({ scopes }) => scopes.toSorted()),
    known: () =>
      [...known.keys()].map((scope) => {
        const { classes, actions } = unite(around([scope]), { classes: [], actions: [] });
        const principals = [...(worksFor.get(scope) ?? [])].sort();
        return { scope, classes: [...classes].sort(), actions: [...actions].sort(), principals };
      }),
    boundBy: (scopes) =>
      [...steps].flatMap(([stepId, one]) =>
        one.isOpen && around(one.scopes).some((scope) => scopes.includes(scope)) ? [stepId] : [],
      ),
  };
}
