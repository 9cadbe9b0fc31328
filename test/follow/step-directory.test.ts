import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import type { Step } from "../../src/domain/step.ts";
import { type KeptSteps, keepStepDirectory } from "../../src/follow/step-directory.ts";
import { done, ports, processOf, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { createKernel } from "../simulation/kernel.ts";

let world: World;
let directory: KeptSteps;
let agent: RegistrationEntry;
const failures: unknown[] = [];

const create = () =>
  keepStepDirectory({ ...createKernel(), ...world.store, failed: (error) => void failures.push(error) });

beforeEach(async () => {
  const given = ports();
  world = worldOf(await openMemoryLedger(given), given);
  agent = await world.agent();
  directory = await create();
});
afterEach(async () => {
  await world.store.close();
  expect(failures.splice(0)).toEqual([]);
});

const ANY = { executor: { kind: "any" } } as const;
const by = (pid: number) => ({ executor: { kind: "process", process: processOf(pid) } }) as const;
const renew = async ({ stepId }: Step) =>
  done(await world.ledger.perform({ act: "renew-step", stepId, now: world.clock.now() }));

describe("a step", () => {
  test("is known as it is from the moment that the act is answered, without a look at the database", async () => {
    const step = await world.open(agent, { ...ANY, leaseSeconds: 60 });
    expect(directory.open()).toEqual([step]);
    world.clock.advance(1_000);
    await renew(step);
    done(await world.ledger.perform({ act: "hold-step", stepId: step.stepId, now: world.clock.now() }));
    const [kept] = directory.open();
    expect(kept).toEqual(await world.step(step.stepId));
    expect(kept?.held).toBe(true);
  });

  test("that is held at another broker than before is told of as that one's, once, and no other is", async () => {
    const told: Step[] = [];
    directory.onMoved((step) => void told.push(step));
    const hold = async ({ stepId }: Step, keeper: string) =>
      done(await world.ledger.perform({ act: "hold-step", stepId, keeper, now: world.clock.now() }));
    const step = await world.open(agent, { ...ANY, keeper: "a" });
    await hold(step, "a");
    await hold(await world.open(agent, { ...ANY, keeper: "b" }), "b");
    expect(told).toEqual([]);
    await hold(step, "b");
    await hold(step, "b");
    expect(told).toEqual([await world.step(step.stepId)]);
    expect(told).toMatchObject([{ keeper: "b", held: true }]);
  });

  test("has its executable from the first issuance on", async () => {
    const step = await world.open(agent, by(31));
    const act = world.issueAct([world.record(step)], { entryId: agent.entryId, executable: "/bin/agent" });
    done((await world.ledger.perform(act))[0]);
    expect((await directory.byId(step.stepId))?.executor).toMatchObject({ executable: "/bin/agent" });
    expect(await directory.byId(step.stepId)).toEqual(await world.step(step.stepId));
  });

  test("that was closed is as the ledger has it, its descendants too, and one that never was is nothing", async () => {
    const root = await world.open(agent, ANY);
    const child = await world.openChild(agent, root, ANY);
    const beside = await world.open(agent, ANY);
    await world.close(root);
    expect(directory.open()).toEqual([beside]);
    expect(await directory.byId(root.stepId)).toMatchObject({ state: "COMPLETED" });
    expect(await directory.byId(child.stepId)).toMatchObject({ state: "CANCELLED" });
    expect(await directory.byId("step_of_nobody")).toBeUndefined();
  });
});

test("whoever has read the ledger finds every open step that is counted there: the answer waits for the event", async () => {
  const first = await world.open(agent, ANY);
  const found = directory.openInScopes([`run:${first.runId}`], world.ledger.head().sequence + 2);
  const second = await world.open(agent, { ...ANY, runId: first.runId });
  expect((await found).map(({ stepId }) => stepId)).toEqual([first.stepId, second.stepId]);
});

test("after a restart everything is known as before", async () => {
  const root = await world.open(agent, { ...ANY, leaseSeconds: 60 });
  await world.openChild(agent, root, by(31));
  await renew(root);
  const again = await create();
  expect(again.open()).toEqual(directory.open());
  await world.close(root);
  expect([again.open(), directory.open()]).toEqual([[], []]);
});

describe("who follows a step", () => {
  test("is told what it is after each change and when it ends, and not after having left", async () => {
    const step = await world.open(agent, { ...ANY, leaseSeconds: 60 });
    const told: string[] = [];
    directory.followStep(step.stepId, ({ state }) => told.push(`stays ${state}`));
    const leave = directory.followStep(step.stepId, ({ state }) => told.push(`leaves ${state}`));
    await renew(step);
    leave();
    await world.close(step);
    expect(told).toEqual(["stays OPEN", "leaves OPEN", "stays COMPLETED"]);
  });

  test("is told of the end that an ancestor's close brings, with the state that it ends in", async () => {
    const root = await world.open(agent, ANY);
    const child = await world.openChild(agent, root, ANY);
    const told: Step[] = [];
    directory.followStep(child.stepId, (step) => told.push(step));
    await world.close(root, { state: "FAILED" });
    expect(told).toEqual([await world.step(child.stepId)]);
  });

  test("that has ended already is told of that, though not from within the call", async () => {
    const step = await world.open(agent, ANY);
    await world.close(step);
    const told = Promise.withResolvers<Step>();
    let isWithin = true;
    directory.followStep(step.stepId, (now) => {
      expect(isWithin).toBe(false);
      told.resolve(now);
    });
    isWithin = false;
    expect(await told.promise).toMatchObject({ state: "COMPLETED" });
  });

  test("and throws keeps no other from being told, nor the directory from going on", async () => {
    const step = await world.open(agent, ANY);
    let told = 0;
    directory.followStep(step.stepId, () => {
      throw new Error("a stream that is gone");
    });
    directory.followStep(step.stepId, () => {
      told += 1;
    });
    await world.close(step);
    expect(told).toBe(1);
    expect(directory.following.refusal()).toBeUndefined();
    expect(failures.splice(0)).toEqual([new Error("a stream that is gone")]);
  });

  test("learns of a close of very many steps", async () => {
    const root = await world.open(agent, ANY);
    const opening = Array.from({ length: 1_050 }, () => world.openChild(agent, root, ANY, { openStepsMax: 2_000 }));
    const told = new Set<string>();
    for (const { stepId } of await Promise.all(opening)) directory.followStep(stepId, () => told.add(stepId));
    const { sequence } = await world.close(root);
    expect(await directory.following.reached(sequence)).toBe(true);
    expect(told.size).toBe(1_050);
    expect(directory.open()).toEqual([]);
  });
});

describe("the open steps of an executor", () => {
  const executing = (pid: number) => ({ process: processOf(pid), entryIds: [agent.entryId] });

  test("are those that are open, also after a restart, and no more from the close on", async () => {
    const [one, two] = [await world.open(agent, by(31)), await world.open(agent, ANY)];
    const idsOf = ({ executedBy }: KeptSteps) => executedBy(executing(31)).map(({ stepId }) => stepId);
    const again = await create();
    for (const kept of [directory, again]) expect(idsOf(kept)).toEqual([one.stepId, two.stepId]);
    expect(again.stepsOf(processOf(31)).map(({ stepId }) => stepId)).toEqual([one.stepId]);
    let told = 0;
    directory.followExecutor(executing(31), () => {
      told += 1;
    });
    await world.close(one);
    expect(told).toBe(1);
    for (const kept of [directory, again]) expect(idsOf(kept)).toEqual([two.stepId]);
    expect(directory.stepsOf(processOf(31))).toEqual([]);
  });
});
