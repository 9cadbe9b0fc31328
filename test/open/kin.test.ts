import { describe, expect, test } from "vitest";
import { remoteProcess } from "../../src/domain/process.ts";
import { enrollProcess } from "../../src/open/enroll-process.ts";
import { openStep } from "../../src/open/open-step.ts";
import type { SimulatedProcess } from "../simulation/kernel.ts";
import { pathScene, segment } from "./path-scene.ts";

const REFUSED = { code: "NOT_ENTITLED", message: expect.stringContaining("was started by one that opened") };

/** The scene, with a child of the runtime, which has opened a step. */
async function kinScene() {
  const scene = await pathScene();
  const step = await scene.openForAudiences(scene.runtime);
  return {
    ...scene,
    step,
    child: scene.kernel.start(11, scene.runtime),
    enroll: async (by: SimulatedProcess, { process }: SimulatedProcess) =>
      enrollProcess(await scene.attested(by), process.pid, scene.broker.ports),
  };
}

describe("a descendant", () => {
  test("is refused whichever entry would let it open, and is told so before it is told of the agent", async () => {
    const { child, kernel, runtime, openForAudiences } = await kinScene();
    await expect(openForAudiences(child)).rejects.toMatchObject(REFUSED);
    await expect(openForAudiences(kernel.start(31, runtime))).rejects.toMatchObject(REFUSED);
    await expect(openForAudiences(kernel.start(51, runtime))).rejects.toMatchObject(REFUSED);
    await expect(openForAudiences(kernel.start(99, runtime))).rejects.toMatchObject({ code: "NO_IDENTITY" });
  });

  test("opens by that of its entries which allows descendants, and the run is then of that entry", async () => {
    const { kernel, runtime, enter, openForAudiences } = await kinScene();
    const lenient = await enter({
      kind: "runtime",
      name: "lenient",
      selectors: ["unix:uid:11"],
      agents: ["researcher"],
      allowDescendants: true,
    });
    const opened = await openForAudiences(kernel.start(11, runtime));
    expect(opened.openerEntryId).toBe(lenient.entryId);
    expect((await openForAudiences(runtime)).openerEntryId).not.toBe(lenient.entryId);
    const writers = openForAudiences(kernel.start(11, runtime), { agent: segment("writer") });
    await expect(writers).rejects.toMatchObject(REFUSED);
  });

  test("opens again once everybody above it that had a part has ended", async () => {
    const { child, kernel, runtime, openForAudiences } = await kinScene();
    kernel.kill(runtime);
    await openForAudiences(child);
  });

  test("is no caller on a network: that one has no process here", async () => {
    const { attested, broker, child, entries, requestOf } = await kinScene();
    const remote = { ...(await attested(child)), process: remoteProcess(entries.flow.entryId) };
    expect((await openStep(remote, requestOf({ runId: segment("afar") }), broker.ports)).isNew).toBe(true);
  });

  test("has none of the runtime's identity", async () => {
    const { broker, child, entries, runtime } = await kinScene();
    const wanted = { entryId: entries.flow.entryId, publicKey: new Uint8Array() };
    await expect(broker.issueInfrastructure(child, wanted)).rejects.toMatchObject(REFUSED);
    await expect(broker.issueInfrastructure(runtime, wanted)).rejects.not.toMatchObject(REFUSED);
  });
});

describe("an enrollment", () => {
  test("is by whoever may open steps, for what it started, and holds at once", async () => {
    const { child, enroll, entries, runtime, store, openForAudiences } = await kinScene();
    const { process, sequence } = await enroll(runtime, child);
    expect(process).toEqual(child.process);
    expect(sequence).toBe(store.ledger.head().sequence);
    expect((await openForAudiences(child)).openerEntryId).toBe(entries.flow.entryId);
    expect((await enroll(runtime, child)).sequence).toBe(0);
  });

  test("is by nobody else", async () => {
    const { child, enroll, kernel, runtime, writer, enter } = await kinScene();
    await enter({ kind: "agent", name: "mute", selectors: ["unix:uid:41"] });
    const mute = kernel.start(41);
    await expect(enroll(mute, kernel.start(11, mute))).rejects.toMatchObject({
      code: "NOT_ENTITLED",
      message: expect.stringContaining("may not open steps"),
    });
    await expect(enroll(child, kernel.start(11, child))).rejects.toMatchObject(REFUSED);
    await expect(enroll(runtime, runtime)).rejects.toMatchObject({ code: "NOT_ENTITLED" });
    await expect(enroll(writer, child)).rejects.toMatchObject({ code: "NOT_ENTITLED" });
  });

  test("that was refused is on record", async () => {
    const { child, enroll, store } = await kinScene();
    await enroll(child, child).catch(() => undefined);
    const [denied] = await store.history.decisions({ limit: 1 });
    expect(denied).toMatchObject({ effect: "deny", reason: "NOT_ENTITLED", message: REFUSED.message });
  });
});
