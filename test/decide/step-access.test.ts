import { expect, test } from "vitest";
import { attest } from "../../src/attest/attest.ts";
import { referencedSteps } from "../../src/decide/referenced-steps.ts";
import { accessTo } from "../../src/decide/step-access.ts";
import { MCP, pathScene } from "../open/path-scene.ts";

async function openedByOperator() {
  const scene = await pathScene();
  const { broker, kernel, operator } = scene;
  const step = await scene.openForAudiences(operator);
  const caller = await attest(operator.peer, { attestor: kernel.attestor, entries: broker.entries });
  return { ...scene, step, caller };
}

test("an operator is an operator to a step that it opened, not its opener", async () => {
  const { step, caller } = await openedByOperator();
  expect(caller.entries.map(({ entryId }) => entryId)).toContain(step.openerEntryId);
  expect(accessTo(step, caller)).toEqual({ asOpener: false, asExecutor: false, asOperator: "admin" });
});

test("an operator takes back a step that it opened, and does not report how it ended", async () => {
  const { broker, operator, step } = await openedByOperator();
  const ending = broker.close(operator, { stepId: step.stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 });
  await expect(ending).rejects.toMatchObject({ code: "NOT_ENTITLED" });
  expect(await broker.ports.steps.step(step.stepId)).toMatchObject({ state: "OPEN" });
});

test("an operator is issued nothing of a step that it opened, and finds it by no reference", async () => {
  const { broker, operator, step, caller } = await openedByOperator();
  const wanted = [{ kind: "jwt-svid", audiences: [MCP] }] as const;
  const ports = { ...broker.ports, executorSteps: broker.stepDirectory };
  await expect(broker.issue(operator, { stepId: step.stepId, wanted, as: "opener" })).rejects.toMatchObject({
    code: "NOT_ENTITLED",
  });
  await expect(referencedSteps(caller, { kind: "step", ...step }, ports)).rejects.toMatchObject({
    code: "NOT_ENTITLED",
  });
});
