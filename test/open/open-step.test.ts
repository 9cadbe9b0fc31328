import { describe, expect, test } from "vitest";
import type { Step } from "../../src/domain/step.ts";
import { OPERATOR } from "../simulation/broker.ts";
import { FILES, pathScene, READ, segment, WRITE } from "./path-scene.ts";

const lifeMsOf = ({ openedAt, expiresAt }: Step) => expiresAt * 1_000 - openedAt / 1_000;

describe("a request id", () => {
  test("gets its step again for as long as that may last, closed or not", async () => {
    const { runtime, open, broker, clock } = await pathScene();
    const first = await open(runtime, { requestId: "once" });
    await broker.close(runtime, { stepId: first.stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 });
    expect(await open(runtime, { requestId: "once" })).toMatchObject({ stepId: first.stepId, state: "COMPLETED" });
    clock.advance(lifeMsOf(first) - 1_000);
    expect((await open(runtime, { requestId: "once" })).stepId).toBe(first.stepId);
  });

  test("opens anew once its step's time is over, by the rules of attempts", async () => {
    const { runtime, open, clock } = await pathScene();
    const first = await open(runtime, { requestId: "daily" });
    clock.advance(lifeMsOf(first));
    const second = await open(runtime, { requestId: "daily" });
    expect(second).toMatchObject({ state: "OPEN", attempt: first.attempt + 1 });
    expect((await open(runtime, { requestId: "daily" })).stepId).toBe(second.stepId);
  });
});

describe("a child's audience", () => {
  test("may be one that its parent has as a location", async () => {
    const { runtime, open } = await pathScene();
    const parent = await open(runtime, { grant: [READ, WRITE] });
    const child = await open(runtime, {
      step: segment("child"),
      grant: [READ],
      audiences: [FILES],
      parentStepId: parent.stepId,
    });
    expect(child.audiences).toEqual([FILES]);
  });

  test("is refused where its parent has it in no way", async () => {
    const { runtime, open } = await pathScene();
    const parent = await open(runtime, { grant: [READ] });
    const opening = open(runtime, {
      step: segment("child"),
      grant: [READ],
      audiences: [FILES],
      parentStepId: parent.stepId,
    });
    await expect(opening).rejects.toMatchObject({ code: "DELEGATION_REFUSED" });
  });
});

describe("what a caller was answered its next call sees", () => {
  test("of what it opened, held, renewed and closed, without a look at the database", async () => {
    const { runtime, open, broker, clock } = await pathScene();
    const step = await open(runtime, { leaseSeconds: 60 });
    expect(broker.stepDirectory.open()).toEqual([step]);
    clock.advance(1_000);
    const renewed = await broker.renew(runtime, step.stepId);
    expect(renewed.leaseExpiresAt).toBe((step.leaseExpiresAt ?? 0) + 1_000_000);
    const held = await broker.hold(runtime, step.stepId);
    expect(held.step).toMatchObject({ held: true, leaseExpiresAt: renewed.leaseExpiresAt });
    await broker.close(runtime, { stepId: step.stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 });
    expect(broker.stepDirectory.open()).toEqual([]);
    await expect(broker.renew(runtime, step.stepId)).rejects.toMatchObject({ code: "STEP_CLOSED" });
  });

  test("of an entry that was put, disabled or removed", async () => {
    const { runtime, open, broker, entries } = await pathScene();
    await broker.registry.disable("agent/researcher", OPERATOR);
    await expect(open(runtime)).rejects.toMatchObject({ code: "NOT_ENTITLED" });
    await broker.registry.enable("agent/researcher", OPERATOR);
    await open(runtime);
    await broker.registry.remove("runtime/flow", OPERATOR);
    await expect(open(runtime)).rejects.toMatchObject({ code: "NO_IDENTITY" });
    expect(broker.entries.byId(entries.flow.entryId)).toBeUndefined();
  });
});

describe("renewing", () => {
  test("is its opener's alone", async () => {
    const { runtime, writer, open, broker } = await pathScene();
    const { stepId } = await open(runtime, { leaseSeconds: 60 });
    await expect(broker.renew(writer, stepId)).rejects.toMatchObject({ code: "NOT_ENTITLED" });
  });

  test("gives back nothing of the rate at which a step is issued credentials", async () => {
    const { runtime, researcher, open, issue, broker } = await pathScene();
    const { stepId } = await open(runtime, { leaseSeconds: 60, grant: [READ], audiences: [] });
    for (const count of [60, 40]) await issue(researcher, stepId, count);
    await expect(issue(researcher, stepId)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    await broker.renew(runtime, stepId);
    await expect(issue(researcher, stepId)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    await broker.hold(runtime, stepId);
    await expect(issue(researcher, stepId)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
  });
});

test("a step whose executor is issued a credential is known with its executable from then on", async () => {
  const { runtime, researcher, open, issue, broker } = await pathScene();
  const { stepId } = await open(runtime, { executor: { kind: "pid", pid: researcher.process.pid } });
  await issue(researcher, stepId);
  expect((await broker.stepDirectory.byId(stepId))?.executor).toMatchObject({ executable: researcher.executable });
});
