import { describe, expect, test } from "vitest";
import { attest } from "../../src/attest/attest.ts";
import { referencedSteps } from "../../src/decide/referenced-steps.ts";
import { accessTo, checkMayLook, operatorRole, operatorWith, visibleTo } from "../../src/decide/step-access.ts";
import { MCP, pathScene, segment } from "../open/path-scene.ts";

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

describe("the executor of a step", () => {
  test("is one process: another of the same agent is not, nor is it once another program's entry matches", async () => {
    const { kernel, researcher, writer, runtime, open, attested } = await pathScene();
    const step = await open(runtime, { executor: { kind: "pid", pid: researcher.process.pid } });
    expect(accessTo(step, await attested(researcher)).asExecutor).toBe(true);
    expect(accessTo(step, await attested(kernel.start(31))).asExecutor).toBe(false);
    expect(accessTo(step, await attested(writer)).asExecutor).toBe(false);
  });

  test("is any process of the agent where it is said so, and none of another agent", async () => {
    const { kernel, researcher, writer, runtime, open, attested } = await pathScene();
    const step = await open(runtime, { executor: { kind: "any" } });
    for (const process of [researcher, kernel.start(31)]) {
      expect(accessTo(step, await attested(process))).toEqual({
        asOpener: false,
        asExecutor: true,
        asOperator: undefined,
      });
    }
    expect(accessTo(step, await attested(writer)).asExecutor).toBe(false);
  });
});

describe("a step is seen", () => {
  test("by its opener, its executor and any operator, and by nobody else", async () => {
    const { kernel, researcher, writer, runtime, operator, enter, open, attested } = await pathScene();
    await enter({ kind: "operator", name: "bob", selectors: ["unix:uid:52"], role: "viewer" });
    const step = await open(runtime, { executor: { kind: "pid", pid: researcher.process.pid } });
    for (const process of [runtime, researcher, operator, kernel.start(52)]) {
      expect(visibleTo(await attested(process), step).step).toBe(step);
    }
    const stranger = await attested(writer);
    expect(() => visibleTo(stranger, step)).toThrow(expect.objectContaining({ code: "NOT_ENTITLED" }));
    expect(() => visibleTo(stranger, undefined)).toThrow(expect.objectContaining({ code: "STEP_NOT_FOUND" }));
  });
});

describe("an operator with several entries", () => {
  test("has the strongest of their roles, and acts by the entry that has the role", async () => {
    const { kernel, entries, operator, enter, open, attested } = await pathScene();
    const viewer = await enter({ kind: "operator", name: "aaron", selectors: ["unix:uid:52"], role: "viewer" });
    const admin = await enter({
      kind: "operator",
      name: "zoe",
      selectors: ["unix:uid:52"],
      role: "admin",
    });
    const caller = await attested(kernel.start(52));
    expect(operatorRole(caller)).toBe("admin");
    // One that is an agent's process too is no less an operator, nor less an executor.
    await enter({ kind: "agent", name: "both", selectors: ["unix:uid:52"], ceiling: [], allowAnyExecutor: true });
    const both = await attested(kernel.start(52));
    expect(both.entries.map(({ content }) => content.kind)).toContain("agent");
    expect(operatorRole(both)).toBe("admin");
    const own = await open(operator, { agent: segment("both"), grant: [] });
    expect(accessTo(own, both)).toEqual({ asOpener: false, asExecutor: true, asOperator: "admin" });
    expect(operatorWith(caller, ["admin"])).toEqual({ entryId: admin.entryId, revision: admin.revision });
    expect(operatorWith(caller, ["viewer"])).toEqual({ entryId: viewer.entryId, revision: viewer.revision });
    expect(() => checkMayLook(caller)).not.toThrow();
    expect(entries.alice.entryId).not.toBe(admin.entryId);
  });

  test("is refused what none of its roles is for, by the roles' names; whoever is no operator may not even look", async () => {
    const { kernel, researcher, enter, attested } = await pathScene();
    await enter({ kind: "operator", name: "bob", selectors: ["unix:uid:52"], role: "viewer" });
    const viewer = await attested(kernel.start(52));
    expect(operatorRole(viewer)).toBe("viewer");
    expect(() => operatorWith(viewer, ["admin"])).toThrow(
      expect.objectContaining({ code: "NOT_ENTITLED", message: expect.stringContaining("admin") }),
    );
    expect(() => checkMayLook(viewer)).not.toThrow();
    const agent = await attested(researcher);
    expect(operatorRole(agent)).toBeUndefined();
    expect(() => checkMayLook(agent)).toThrow(expect.objectContaining({ code: "NOT_ENTITLED" }));
  });
});
