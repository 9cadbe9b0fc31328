import { describe, expect, test } from "vitest";
import type { GrantElement } from "../../src/domain/grant.ts";
import { type FactScope, factScopesOf, unitedGrants } from "../../src/domain/run-facts.ts";
import type { OpenedStep, Step } from "../../src/domain/step.ts";
import { GRANT, type World } from "./ledger-world.ts";

/** What the ledger promises of what is known in runs that open steps connect: those that the steps were delegated from. */
export function connectedRunsContract(worldOf: () => World): void {
  /** Three runs, an agent, and what is known of each. */
  async function scene() {
    const world = worldOf();
    const agent = await world.agent();
    const open = (run: string, datatypes: readonly string[], own: Partial<OpenedStep> = {}) =>
      world.open(agent, { runId: run as Step["runId"], grant: [{ ...GRANT[0], datatypes } as GrantElement], ...own });
    return {
      world,
      runs: { above: world.name(), run: world.name(), below: world.name() },
      open,
      /** A step of another run, whose grant counts in all scopes of its parent too. */
      delegate: (parent: Step, run: string, datatypes: readonly string[] = []) =>
        open(run, datatypes, {
          parentStepId: parent.stepId,
          expiresAt: parent.expiresAt,
          depth: parent.depth + 1,
          factScopes: [`run:${run}`, ...factScopesOf(parent)],
        }),
      classesIn: async (run: string) =>
        unitedGrants((await world.store.steps.world([`run:${run}`], [], "run")).facts).classes,
    };
  }

  describe("runs that an open step connects", () => {
    test("know what is granted in either, also to steps that were not delegated, and go on knowing it", async () => {
      const { world, runs, open, delegate, classesIn } = await scene();
      const child = await delegate(await open(runs.above, ["a"]), runs.run);
      await open(runs.above, ["b"]);
      expect(await classesIn(runs.run)).toEqual(["a", "b"]);
      await open(runs.run, ["c"]);
      expect(await classesIn(runs.above)).toEqual(["a", "b", "c"]);
      await world.close(child);
      await open(runs.above, ["d"]);
      await open(runs.run, ["e"]);
      expect(await classesIn(runs.run)).toEqual(["a", "b", "c", "e"]);
      expect(await classesIn(runs.above)).toEqual(["a", "b", "c", "d"]);
    });

    test("are connected until the last such step is closed", async () => {
      const { world, runs, open, delegate, classesIn } = await scene();
      const parent = await open(runs.above, []);
      const [first, second] = [await delegate(parent, runs.run), await delegate(parent, runs.run)];
      await world.close(first);
      await open(runs.above, ["a"]);
      expect(await classesIn(runs.run)).toEqual(["a"]);
      await world.close(second);
      await open(runs.above, ["b"]);
      expect(await classesIn(runs.run)).toEqual(["a"]);
    });

    test("are connected through a third, whichever of the two steps was opened first", async () => {
      const { world, runs, open, delegate, classesIn } = await scene();
      const below = await delegate(await open(runs.run, []), runs.below);
      const child = await delegate(await open(runs.above, []), runs.run);
      await open(runs.above, ["a"]);
      expect(await classesIn(runs.below)).toEqual(["a"]);
      await open(runs.below, ["b"]);
      expect(await classesIn(runs.above)).toEqual(["a", "b"]);
      await open(runs.above, ["c"]);
      await world.close(below);
      await open(runs.above, ["d"]);
      expect(await classesIn(runs.below)).toEqual(["a", "b", "c"]);
      await world.close(child);
      expect(await classesIn(runs.run)).toEqual(["a", "b", "c", "d"]);
    });

    test("outdate what was decided before they were, though nothing new was granted", async () => {
      const { world, runs, open, delegate } = await scene();
      const fresh = await open(runs.run, []);
      const { facts } = await world.store.steps.world([`run:${runs.run}`], [], "run");
      const inForce = (await world.store.projections.policiesInForce()).value;
      const known = facts.map(({ scope, version }) => ({ scope, version }));
      const decidedOn = { entries: [], world: { policies: inForce.sequence, facts: known, risk: [] } };
      const again = async () => {
        const agent = (await world.entries()).find(({ entryId }) => entryId === fresh.agentEntryId);
        return (
          agent && world.ledger.perform(world.openAct(agent, { runId: fresh.runId, grant: fresh.grant }, { decidedOn }))
        );
      };
      expect(await again()).toMatchObject({ kind: "opened" });
      const parent = await open(runs.above, []);
      expect(await again()).toMatchObject({ kind: "opened" });
      await delegate(parent, runs.run);
      expect(await again()).toMatchObject({ kind: "denial", code: "DECISION_OUTDATED" });
    });

    test("work for the same principals, also those that one of them begins to work for", async () => {
      const { world, runs, open, delegate } = await scene();
      const principal: FactScope = `principal:${"ab".repeat(32)}`;
      const child = await delegate(await open(runs.above, []), runs.run);
      const beside = await open(runs.run, []);
      await open(runs.above, ["a"], { factScopes: [`run:${runs.above}`, principal] });
      for (const { stepId } of [child, beside]) {
        expect(factScopesOf(await world.step(stepId))).toContain(principal);
      }
      const { countsIn } = await world.store.steps.world([`run:${runs.run}`], [], "principal");
      expect(countsIn).toEqual([`run:${runs.run}`, principal]);
    });

    test("have all that stands there count for a principal, also what was opened while the run alone counted", async () => {
      const { world, runs, open } = await scene();
      const principal: FactScope = `principal:${"cd".repeat(32)}`;
      const ofPrincipal = { factScopes: [`run:${runs.run}`, principal] as const };
      await world.close(await open(runs.run, [], ofPrincipal));
      const between = await open(runs.run, ["a"]);
      expect(factScopesOf(await world.step(between.stepId))).not.toContain(principal);
      await open(runs.run, [], ofPrincipal);
      expect(factScopesOf(await world.step(between.stepId))).toContain(principal);
      const { facts } = await world.store.steps.world([principal], [], "principal");
      expect(facts).toMatchObject([{ scope: principal, stepsOpen: 2, steps: 3, classes: ["a"] }]);
    });
  });
}
