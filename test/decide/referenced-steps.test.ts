import { describe, expect, test } from "vitest";
import { referencedSteps, type WorkloadReference } from "../../src/decide/referenced-steps.ts";
import { pathScene, segment } from "../open/path-scene.ts";

async function referenceScene() {
  const scene = await pathScene();
  const { broker, kernel, attested } = scene;
  const ports = { ...broker.ports, executorSteps: broker.stepDirectory, processes: kernel.processes };
  return {
    ...scene,
    find: async (by: typeof scene.runtime, reference: WorkloadReference) =>
      (await referencedSteps(await attested(by), reference, ports)).map(({ stepId }) => stepId),
  };
}

const named = (own: Partial<Extract<WorkloadReference, { kind: "step" }>> = {}): WorkloadReference => ({
  kind: "step",
  runId: "run",
  step: "step",
  attempt: 1,
  ...own,
});

describe("a workload that is referenced by its step", () => {
  test("is the step of that run, name and attempt", async () => {
    const { runtime, open, find } = await referenceScene();
    const { stepId } = await open(runtime);
    expect(await find(runtime, named())).toEqual([stepId]);
    for (const other of [{ runId: "other" }, { step: "other" }, { attempt: 2 }]) {
      await expect(find(runtime, named(other))).rejects.toMatchObject({ code: "STEP_NOT_FOUND" });
    }
  });

  test("is not found under an attempt that a later one took the place of, nor once it has ended", async () => {
    const { runtime, broker, open, find } = await referenceScene();
    const first = await open(runtime);
    await broker.close(runtime, { stepId: first.stepId, outcome: "FAILED", awaitReceiptsMs: 0 });
    await expect(find(runtime, named())).rejects.toMatchObject({
      code: "STEP_NOT_FOUND",
      message: expect.stringContaining("FAILED"),
    });
    const second = await open(runtime, { attempt: 2 });
    expect(await find(runtime, named({ attempt: 2 }))).toEqual([second.stepId]);
    await expect(find(runtime, named())).rejects.toMatchObject({ code: "STEP_NOT_FOUND" });
  });

  test("is refused to whoever did not open the step, its executor too", async () => {
    const { runtime, researcher, open, find } = await referenceScene();
    await open(runtime);
    await expect(find(researcher, named())).rejects.toMatchObject({ code: "NOT_ENTITLED" });
  });
});

describe("a workload that is referenced by its process", () => {
  test("is every open step that the process executes for the caller's runs, and none of other runs", async () => {
    const { runtime, researcher, open, find } = await referenceScene();
    const executor = { kind: "pid", pid: researcher.process.pid } as const;
    const first = await open(runtime, { executor });
    const second = await open(runtime, { executor, step: segment("second") });
    await open(researcher, { executor: { kind: "self" }, runId: segment("own") });
    const reference = { kind: "process", pid: researcher.process.pid } as const;
    expect(await find(runtime, reference)).toEqual([first.stepId, second.stepId]);
  });

  test("is not found where no process has the pid, or the process executes nothing", async () => {
    const { runtime, researcher, find } = await referenceScene();
    await expect(find(runtime, { kind: "process", pid: 99_999 })).rejects.toMatchObject({
      code: "STEP_NOT_FOUND",
      message: "no process has this pid",
    });
    await expect(find(runtime, { kind: "process", pid: researcher.process.pid })).rejects.toMatchObject({
      code: "STEP_NOT_FOUND",
      message: "this process executes no open step",
    });
  });

  test.for([0, -1])("is no workload by the pid %i", async (pid) => {
    const { runtime, find } = await referenceScene();
    await expect(find(runtime, { kind: "process", pid })).rejects.toMatchObject({
      code: "INVALID_FIELD",
      metadata: { field: "reference.pid" },
    });
  });

  test("is no workload where the caller's pids are not the broker's", async () => {
    const { runtime, researcher, broker, kernel, attested } = await referenceScene();
    const ports = { ...broker.ports, executorSteps: broker.stepDirectory, processes: kernel.processes };
    const reference = { kind: "process", pid: researcher.process.pid } as const;
    const elsewhere = { ...(await attested(runtime)), sharesPids: false };
    await expect(referencedSteps(elsewhere, reference, ports)).rejects.toMatchObject({
      code: "INVALID_FIELD",
      message: expect.stringMatching(/a step.*PID namespace/),
      metadata: { field: "reference.pid" },
    });
  });

  test("is refused where all that it executes is of other entries' runs", async () => {
    const { runtime, researcher, open, find } = await referenceScene();
    await open(researcher, { executor: { kind: "self" } });
    await expect(find(runtime, { kind: "process", pid: researcher.process.pid })).rejects.toMatchObject({
      code: "NOT_ENTITLED",
    });
  });
});
