import fc from "fast-check";
import { expect, test } from "vitest";
import type { GrantElement } from "../../../src/domain/grant.ts";
import { type FactScope, factScopesOf, isOfPrincipal } from "../../../src/domain/run-facts.ts";
import type { Step } from "../../../src/domain/step.ts";
import { createOpenSteps } from "../../../src/follow/open-steps.ts";
import { GRANT, ports, present, worldOf } from "../../contract/ledger-world.ts";
import { openMemoryLedger } from "../../memory/memory-ledger.ts";
import { segment } from "../../open/path-scene.ts";

const RUNS = ["a", "b", "c"] as const;
const CLASSES = ["public", "internal", "customer", "payroll"];
const SCOPES: readonly FactScope[] = ["run:a", "run:b", "run:c", "principal:p", "principal:q"];

const opening = fc.record({
  kind: fc.constant("open" as const),
  runId: fc.constantFrom(...RUNS),
  principals: fc.subarray(["principal:p", "principal:q"] as const),
  datatypes: fc.subarray(CLASSES),
  actions: fc.subarray(["read", "write", "execute"] as const, { minLength: 1 }),
  parent: fc.option(fc.nat(), { nil: undefined }),
  /** Takes the place of an attempt that is open. */
  supersedes: fc.boolean(),
});
const closing = fc.record({ kind: fc.constant("close" as const), which: fc.nat() });
const acts = fc.array(fc.oneof({ weight: 3, arbitrary: opening }, closing), { maxLength: 25 });

type Known = { readonly classes: Set<string>; readonly actions: Set<string>; readonly principals: Set<FactScope> };

// Goal: what is known of runs and principals is what their steps were granted, each step counted once.
// Method: a model keeps sets; a step that makes a run work for a principal has the run's open steps count for the principal.
test("what is known of scopes is what their steps were granted, and how many of them there are, each counted once", async () => {
  await fc.assert(
    fc.asyncProperty(acts, fc.nat(12), fc.subarray([...SCOPES], { minLength: 1 }), async (sequence, setAt, looked) => {
      const given = ports();
      const store = await openMemoryLedger(given);
      const world = worldOf(store, given);
      const { committed } = world.follow();
      const agent = await world.agent();
      const scopesOf = new Map<string, readonly FactScope[]>();
      const known = new Map<FactScope, Known>();
      const knownOf = (scope: FactScope): Known =>
        known.get(scope) ?? { classes: new Set(), actions: new Set(), principals: new Set() };
      const now = () => Promise.all([...scopesOf.keys()].map(async (stepId) => present(await world.step(stepId))));
      const openOf = (steps: readonly Step[]) => steps.filter(({ state }) => state === "OPEN");

      for (const [index, act] of sequence.entries()) {
        const open = openOf(await now());
        if (act.kind === "close") {
          const step = open[act.which % Math.max(1, open.length)];
          if (step !== undefined) await world.close(step);
          continue;
        }
        const replaced = act.supersedes ? open.find(({ runId }) => runId === act.runId) : undefined;
        const parent =
          replaced === undefined && act.parent !== undefined ? open[act.parent % Math.max(1, open.length)] : undefined;
        // As the paths have it before and after the ratchet is set to principals.
        const own = index < setAt ? [] : act.principals;
        const asked: FactScope[] = [`run:${act.runId}`, ...(parent === undefined ? [] : factScopesOf(parent)), ...own];
        const scopes = [...new Set([...asked, ...asked.flatMap((scope) => [...knownOf(scope).principals])])];
        const grant = [{ ...GRANT[0], datatypes: act.datatypes, actions: act.actions } as GrantElement];
        const step = await world.open(
          agent,
          {
            runId: segment(act.runId),
            grant,
            ...(scopes.length === 1 ? {} : { factScopes: scopes }),
            ...(replaced === undefined ? {} : { step: replaced.step, attempt: replaced.attempt + 1 }),
            ...(parent === undefined
              ? {}
              : { parentStepId: parent.stepId, expiresAt: parent.expiresAt, depth: parent.depth + 1 }),
          },
          { supersedes: replaced !== undefined },
        );
        const principals = scopes.filter(isOfPrincipal);
        const isJoining = (scope: FactScope) =>
          !isOfPrincipal(scope) && principals.some((one) => !knownOf(scope).principals.has(one));
        const joining = scopes.filter(isJoining);
        for (const one of openOf(await now())) {
          const before = present(scopesOf.get(one.stepId));
          if (!joining.some((scope) => before.includes(scope))) continue;
          scopesOf.set(one.stepId, [...before, ...principals.filter((scope) => !before.includes(scope))]);
        }
        scopesOf.set(step.stepId, scopes);
        const all = scopes.map(knownOf);
        const classes = new Set([...all.flatMap((one) => [...one.classes]), ...act.datatypes]);
        const actions = new Set([...all.flatMap((one) => [...one.actions]), ...act.actions]);
        for (const scope of scopes) {
          const joined = isOfPrincipal(scope) ? [] : [...knownOf(scope).principals, ...principals];
          known.set(scope, { classes, actions, principals: new Set(joined) });
        }
      }

      const steps = await now();
      expect(steps.map((step) => factScopesOf(step))).toEqual([...scopesOf.values()]);
      const isIn = (step: Step, scopes: readonly FactScope[]) =>
        factScopesOf(step).some((scope) => scopes.includes(scope));
      const countsIn = (scopes: readonly FactScope[]) => ({
        steps: steps.filter((step) => isIn(step, scopes)).length,
        stepsOpen: openOf(steps).filter((step) => isIn(step, scopes)).length,
      });
      const { facts, through } = await store.steps.world([...known.keys()], [], "run");
      expect(through).toBe(store.ledger.head().sequence);
      expect(facts.map(({ version: _, ...rest }) => rest)).toEqual(
        [...known].map(([scope, { classes, actions, principals }]) => ({
          scope,
          classes: [...classes].sort(),
          actions: [...actions].sort(),
          ...(principals.size === 0 ? {} : { principals: [...principals].sort() }),
          ...countsIn([scope]),
        })),
      );
      expect((await store.steps.world(looked, [], "run")).together).toEqual(countsIn(looked));
      const bound = [...looked, ...looked.flatMap((scope) => [...knownOf(scope).principals])];
      expect((await store.steps.world(looked, [], "principal")).together).toEqual(countsIn(bound));

      const kept = createOpenSteps([]);
      for (const one of committed) kept.take(one);
      const inScopes = openOf(steps).filter((step) => isIn(step, looked));
      expect(kept.inScopes(looked).map(factScopesOf)).toEqual(inScopes.map(factScopesOf));
      expect(await store.verifyAll()).toEqual({ kind: "intact" });
      await store.close();
    }),
    { numRuns: 25 },
  );
});
