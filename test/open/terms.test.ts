import { expect, test } from "vitest";
import { openingScene } from "./opening-scene.ts";

test("delegation goes eight levels deep, and no deeper", async () => {
  const { open, runtime, store } = await openingScene();
  let parent = await open(runtime);
  for (let depth = 1; depth <= 8; depth += 1) {
    parent = await open(runtime, { parentStepId: parent.stepId });
    expect(parent.depth).toBe(depth);
  }
  const { sequence } = store.ledger.head();
  await expect(open(runtime, { parentStepId: parent.stepId })).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  expect(store.ledger.head().sequence).toBe(sequence);
});
