import { describe, expect, test } from "vitest";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { FILES, MCP, openingScene } from "./opening-scene.ts";

const refused = (code: string) => expect.objectContaining({ code });

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

describe("the audiences of a step", () => {
  test("are among those of its agent", async () => {
    const { open, runtime } = await openingScene();
    expect((await open(runtime, { audiences: [FILES] })).audiences).toEqual([FILES]);
    await expect(open(runtime, { audiences: [MCP, "https://elsewhere.example"] })).rejects.toEqual(
      refused("AUDIENCE_INVALID"),
    );
  });

  test("are among those of the step that it is delegated from", async () => {
    const { open, runtime } = await openingScene();
    const { stepId: parentStepId } = await open(runtime, { audiences: [MCP] });
    expect((await open(runtime, { parentStepId, audiences: [MCP] })).audiences).toEqual([MCP]);
    await expect(open(runtime, { parentStepId, audiences: [MCP, FILES] })).rejects.toEqual(
      refused("DELEGATION_REFUSED"),
    );
  });
});

describe("a step ends", () => {
  test("with the longest that its agent may have, though it asked for a second more, and not later", async () => {
    const { open, runtime, clock } = await openingScene();
    const longest = addSeconds(secondsOf(clock.now()), 900);
    expect((await open(runtime, { expiresAt: longest })).expiresAt).toBe(longest);
    expect((await open(runtime, { expiresAt: addSeconds(longest, 1) })).expiresAt).toBe(longest);
    await expect(open(runtime, { expiresAt: addSeconds(longest, 2) })).rejects.toMatchObject({
      code: "INVALID_FIELD",
      metadata: { field: "expires_at" },
    });
  });

  test("no later than the step that it is delegated from, asked or not", async () => {
    const { open, runtime, clock } = await openingScene();
    const { stepId: parentStepId, expiresAt } = await open(runtime, {
      expiresAt: addSeconds(secondsOf(clock.now()), 60),
    });
    expect((await open(runtime, { parentStepId })).expiresAt).toBe(expiresAt);
    expect((await open(runtime, { parentStepId, expiresAt })).expiresAt).toBe(expiresAt);
    await expect(open(runtime, { parentStepId, expiresAt: addSeconds(expiresAt, 1) })).rejects.toEqual(
      refused("DELEGATION_REFUSED"),
    );
  });
});

test("nothing is delegated from a step that has ended", async () => {
  const { open, runtime, broker } = await openingScene();
  const { stepId } = await open(runtime);
  await broker.close(runtime, { stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 });
  await expect(open(runtime, { parentStepId: stepId })).rejects.toMatchObject({
    code: "DELEGATION_REFUSED",
    metadata: { state: "COMPLETED" },
  });
});
