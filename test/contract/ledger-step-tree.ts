import { expect, test } from "vitest";
import type { Step } from "../../src/domain/step.ts";
import type { World } from "./ledger-world.ts";

/** What the tree of a step promises: who delegated to whom, also once all of it has ended. */
export function stepTreeContract(worldOf: () => World): void {
  const idsOf = (steps: readonly Step[]) => steps.map(({ stepId }) => stepId);

  async function family(world: World) {
    const agent = await world.agent();
    const root = await world.open(agent);
    const [step, sibling] = [await world.openChild(agent, root), await world.openChild(agent, root)];
    const [older, younger] = [await world.openChild(agent, step), await world.openChild(agent, step)];
    const below = await world.openChild(agent, older);
    return { root, step, sibling, older, younger, below };
  }

  test("a step stands between its ancestors and its descendants, without its siblings", async () => {
    const world = worldOf();
    const { root, step, older, younger, below } = await family(world);
    const { steps, isCut } = await world.store.history.stepTree(step.stepId, 200);
    expect(steps).toEqual([root, step, older, younger, below]);
    expect(isCut).toBe(false);
  });

  test("a tree that has ended is the same tree", async () => {
    const world = worldOf();
    const { root, step, sibling, older, younger, below } = await family(world);
    await world.close(root, { state: "REVOKED" });
    const { steps } = await world.store.history.stepTree(root.stepId, 200);
    expect(idsOf(steps)).toEqual(idsOf([root, step, sibling, older, younger, below]));
    expect(new Set(steps.map(({ state }) => state))).toEqual(new Set(["REVOKED"]));
  });

  test("a tree that is too large is cut at the far end of its descendants, and says so", async () => {
    const world = worldOf();
    const { root, step, older, younger, below } = await family(world);
    const cutAt = (stepsMax: number) => world.store.history.stepTree(step.stepId, stepsMax);
    expect(await cutAt(5)).toMatchObject({ isCut: false });
    expect(await cutAt(4)).toEqual({ steps: [root, step, older, younger], isCut: true });
    expect(await cutAt(3)).toEqual({ steps: [root, step, older], isCut: true });
    expect(idsOf((await world.store.history.stepTree(below.stepId, 200)).steps)).toEqual(
      idsOf([root, step, older, below]),
    );
  });

  test("of a step that is unknown there is no tree", async () => {
    expect(await worldOf().store.history.stepTree("step_none", 200)).toEqual({ steps: [], isCut: false });
  });
}
