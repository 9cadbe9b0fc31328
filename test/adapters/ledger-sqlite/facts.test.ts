import fc from "fast-check";
import { expect, test } from "vitest";
import type { GrantElement } from "../../../src/domain/grant.ts";
import { type FactScope, factScopesOf, unitedGrants } from "../../../src/domain/run-facts.ts";
import type { Step } from "../../../src/domain/step.ts";
import { createOpenSteps } from "../../../src/follow/open-steps.ts";
import { GRANT, ports, present, worldOf } from "../../contract/ledger-world.ts";
import { openMemoryLedger } from "../../memory/memory-ledger.ts";
import { segment } from "../../open/path-scene.ts";
import { createFactsModel } from "./facts-model.ts";

const RUNS = ["a", "b", "c"] as const;
/** So many that a run is seldom granted all. */
const CLASSES = Array.from({ length: 20 }, (_, index) => `class${index}`);
const SCOPES: readonly FactScope[] = ["run:a", "run:b", "run:c", "principal:p", "principal:q"];

const opening = fc.record({
  kind: fc.constant("open" as const),
  runId: fc.constantFrom(...RUNS),
  /** Whom it is opened for, as far as the configuration has that count. */
  principals: fc.option(fc.subarray(["principal:p", "principal:q"] as const), { nil: undefined }),
  datatypes: fc.subarray(CLASSES, { maxLength: 1 }),
  actions: fc.subarray(["read", "write", "execute"] as const, { minLength: 1 }),
  parent: fc.option(fc.nat(), { nil: undefined, freq: 2 }),
  /** Takes the place of an attempt that is open. */
  supersedes: fc.boolean(),
});
const closing = fc.record({ kind: fc.constant("close" as const), which: fc.nat() });
const acts = fc.array(fc.oneof({ weight: 3, arbitrary: opening }, closing), { maxLength: 30, size: "max" });

// Goal: what is known of runs and principals is what their steps were granted, each step counted once; a run that open steps
// connect with another knows what is granted there too, and goes on knowing it.
// Method: a model keeps sets of what is open; two that only follow, one of which begins later, have to find the same steps.
test("what is known of scopes is what was granted in them and in runs connected with them, each step counted once", async () => {
  await fc.assert(
    fc.asyncProperty(
      acts,
      fc.nat(30),
      fc.subarray([...SCOPES], { minLength: 1 }),
      async (sequence, laterAt, looked) => {
        const given = ports();
        const store = await openMemoryLedger(given);
        const world = worldOf(store, given);
        const { committed } = world.follow();
        const agent = await world.agent();
        const model = createFactsModel();
        const stepIds: string[] = [];
        const now = () => Promise.all(stepIds.map(async (stepId) => present(await world.step(stepId))));
        const openOf = (steps: readonly Step[]) => steps.filter(({ state }) => state === "OPEN");
        let later = { opened: createOpenSteps([]), from: 0 };

        const known = () =>
          Promise.all(
            model.known().map(async ({ scope }) => {
              const { facts } = await store.steps.world([scope], [], "run");
              const { principals = [] } = present(facts.find((one) => one.scope === scope));
              return { scope, principals, ...unitedGrants(facts) };
            }),
          );

        for (const [index, act] of sequence.entries()) {
          expect(await known()).toEqual(model.known());
          const open = openOf(await now());
          if (index === laterAt) later = { opened: createOpenSteps(open), from: committed.length };
          if (act.kind === "close") {
            const step = open[act.which % Math.max(1, open.length)];
            if (step === undefined) continue;
            await world.close(step);
            model.close(step.stepId);
            continue;
          }
          const replaced = act.supersedes ? open.find(({ runId }) => runId === act.runId) : undefined;
          const parent =
            replaced === undefined && act.parent !== undefined
              ? open[act.parent % Math.max(1, open.length)]
              : undefined;
          // As the paths have it while the ratchet is set to principals, or to runs, whatever it was before.
          const { principals } = act;
          const above = parent === undefined ? [] : factScopesOf(parent);
          const asked = [...new Set<FactScope>([`run:${act.runId}`, ...above, ...(principals ?? [])])];
          const scopes = principals === undefined ? asked : model.countsIn(asked);
          const { countsIn } = await store.steps.world(asked, [], principals === undefined ? "run" : "principal");
          expect(countsIn.toSorted()).toEqual(scopes.toSorted());
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
          stepIds.push(step.stepId);
          if (replaced !== undefined) model.close(replaced.stepId);
          model.open(step, scopes, { classes: act.datatypes, actions: act.actions });
        }

        expect(await known()).toEqual(model.known());
        const steps = await now();
        expect(steps.map((step) => factScopesOf(step).toSorted())).toEqual(model.scopes());
        const isIn = (step: Step, scopes: readonly FactScope[]) =>
          factScopesOf(step).some((scope) => scopes.includes(scope));
        const countsIn = (scopes: readonly FactScope[]) => ({
          steps: steps.filter((step) => isIn(step, scopes)).length,
          stepsOpen: openOf(steps).filter((step) => isIn(step, scopes)).length,
        });
        for (const scope of SCOPES) {
          const { facts, through } = await store.steps.world([scope], [], "run");
          expect(through).toBe(store.ledger.head().sequence);
          expect(facts.find((one) => one.scope === scope) ?? {}).toMatchObject(
            facts.length === 0 ? {} : countsIn([scope]),
          );
        }
        expect((await store.steps.world(looked, [], "run")).together).toEqual(countsIn(looked));
        expect((await store.steps.world(looked, [], "principal")).together).toEqual(countsIn(model.countsIn(looked)));

        for (const { opened, from } of [{ opened: createOpenSteps([]), from: 0 }, later]) {
          for (const one of committed.slice(from)) opened.take(one);
          for (const scopes of [looked, ...SCOPES.map((scope) => [scope])]) {
            expect(opened.inScopes(scopes).map(({ stepId }) => stepId)).toEqual(model.boundBy(scopes));
          }
          const scopesOf = (all: readonly Step[]) => all.map((step) => factScopesOf(step).toSorted());
          expect(scopesOf(opened.all())).toEqual(scopesOf(openOf(steps)));
        }
        expect(await store.verifyAll()).toEqual({ kind: "intact" });
        await store.close();
      },
    ),
    { numRuns: 120 },
  );
});
