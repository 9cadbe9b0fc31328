import { describe, expect, test } from "vitest";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { FILES, MCP, pathScene } from "./path-scene.ts";

const refused = (code: string) => expect.objectContaining({ code });

test("delegation goes eight levels deep, and no deeper", async () => {
  const { openForAudiences, runtime, store } = await pathScene();
  let parent = await openForAudiences(runtime);
  for (let depth = 1; depth <= 8; depth += 1) {
    parent = await openForAudiences(runtime, { parentStepId: parent.stepId });
    expect(parent.depth).toBe(depth);
  }
  const { sequence } = store.ledger.head();
  await expect(openForAudiences(runtime, { parentStepId: parent.stepId })).rejects.toMatchObject({
    code: "LIMIT_EXCEEDED",
  });
  expect(store.ledger.head().sequence).toBe(sequence);
});

describe("the audiences of a step", () => {
  test("are among those of its agent", async () => {
    const { openForAudiences, runtime } = await pathScene();
    expect((await openForAudiences(runtime, { audiences: [FILES] })).audiences).toEqual([FILES]);
    await expect(openForAudiences(runtime, { audiences: [MCP, "https://elsewhere.example"] })).rejects.toEqual(
      refused("AUDIENCE_INVALID"),
    );
  });

  test("are among those of the step that it is delegated from", async () => {
    const { openForAudiences, runtime } = await pathScene();
    const { stepId: parentStepId } = await openForAudiences(runtime, { audiences: [MCP] });
    expect((await openForAudiences(runtime, { parentStepId, audiences: [MCP] })).audiences).toEqual([MCP]);
    await expect(openForAudiences(runtime, { parentStepId, audiences: [MCP, FILES] })).rejects.toEqual(
      refused("DELEGATION_REFUSED"),
    );
  });
});

describe("a step ends", () => {
  test("with the longest that its agent may have, though it asked for a second more, and not later", async () => {
    const { openForAudiences, runtime, clock } = await pathScene();
    const longest = addSeconds(secondsOf(clock.now()), 900);
    expect((await openForAudiences(runtime, { expiresAt: longest })).expiresAt).toBe(longest);
    expect((await openForAudiences(runtime, { expiresAt: addSeconds(longest, 1) })).expiresAt).toBe(longest);
    await expect(openForAudiences(runtime, { expiresAt: addSeconds(longest, 2) })).rejects.toMatchObject({
      code: "INVALID_FIELD",
      metadata: { field: "expires_at" },
    });
  });

  test("no later than the step that it is delegated from, asked or not", async () => {
    const { openForAudiences, runtime, clock } = await pathScene();
    const { stepId: parentStepId, expiresAt } = await openForAudiences(runtime, {
      expiresAt: addSeconds(secondsOf(clock.now()), 60),
    });
    expect((await openForAudiences(runtime, { parentStepId })).expiresAt).toBe(expiresAt);
    expect((await openForAudiences(runtime, { parentStepId, expiresAt })).expiresAt).toBe(expiresAt);
    await expect(openForAudiences(runtime, { parentStepId, expiresAt: addSeconds(expiresAt, 1) })).rejects.toEqual(
      refused("DELEGATION_REFUSED"),
    );
  });
});

test("nothing is delegated from a step that has ended", async () => {
  const { openForAudiences, runtime, broker } = await pathScene();
  const { stepId } = await openForAudiences(runtime);
  await broker.close(runtime, { stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 });
  await expect(openForAudiences(runtime, { parentStepId: stepId })).rejects.toMatchObject({
    code: "DELEGATION_REFUSED",
    metadata: { state: "COMPLETED" },
  });
});
