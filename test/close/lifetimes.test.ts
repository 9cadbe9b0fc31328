import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openMemoryLedger } from "../../src/adapters/ledger-sqlite/memory-ledger.ts";
import { createLifetimes, type Lifetimes } from "../../src/close/lifetimes.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import type { OpenedStep } from "../../src/domain/ledger-event.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import type { Step } from "../../src/domain/step.ts";
import { addMicros, addSeconds, microsOf, secondsOf, type UnixMicros } from "../../src/domain/time.ts";
import type { Ledger } from "../../src/ports/ledger.ts";
import { done, ports, type World, worldOf } from "../contract/ledger-world.ts";
import { createKernel, type Kernel, type SimulatedProcess } from "../simulation/kernel.ts";

let world: World;
let kernel: Kernel;
let lifetimes: Lifetimes;
let agent: RegistrationEntry;
let isDiskFull: boolean;
/** How far the clock was set, as `confirm-clock` does. */
let setByMicros: number;
const failures: unknown[] = [];

beforeEach(async () => {
  const given = ports();
  const store = await openMemoryLedger(given);
  world = worldOf(store, given);
  kernel = createKernel();
  agent = await world.agent();
  isDiskFull = false;
  setByMicros = 0;
  lifetimes = create();
});
afterEach(async () => {
  lifetimes.stop();
  expect(world.clock.pending()).toBe(0);
  await world.store.close();
  expect(failures.splice(0)).toEqual([]);
});

function create(): Lifetimes {
  const { clock, store } = world;
  const perform: Ledger["perform"] = (act) =>
    isDiskFull
      ? Promise.reject(new BrokerError("LEDGER_UNAVAILABLE", "the ledger's disk is full"))
      : store.ledger.perform(act);
  return createLifetimes({
    ledger: { ...store.ledger, perform },
    steps: store.steps,
    processes: kernel.processes,
    clock: { ...clock, now: () => addMicros(clock.now(), setByMicros) },
    failed: (error) => void failures.push(error),
  });
}

/** A new broker on the same ledger. */
async function restart(): Promise<void> {
  lifetimes.stop();
  lifetimes = create();
  await lifetimes.start();
}

async function open(own: Partial<OpenedStep> = {}): Promise<Step> {
  const step = await world.open(agent, { executor: { kind: "any" }, ...own });
  lifetimes.opened(step);
  return step;
}

async function hold({ stepId }: Step): Promise<() => void> {
  done(await world.ledger.perform({ act: "hold-step", stepId, now: world.clock.now() }));
  return lifetimes.hold(stepId);
}

async function renew({ stepId }: Step): Promise<void> {
  lifetimes.renewed(done(await world.ledger.perform({ act: "renew-step", stepId, now: world.clock.now() })));
}

/** Time passes, and what that brings about is recorded. */
async function pass(ms: number): Promise<void> {
  world.clock.advance(ms);
  await new Promise((resolve) => setImmediate(resolve));
}

const stateOf = async ({ stepId }: Step) => (await world.step(stepId)).state;

describe("a step ends at its expiry", () => {
  test("not a moment earlier, and with that as its reason", async () => {
    const step = await open();
    await pass(299_999);
    expect(await stateOf(step)).toBe("OPEN");
    await pass(1);
    expect(await world.step(step.stepId)).toMatchObject({
      state: "EXPIRED",
      closeReason: "cessationOfOperation",
      closedAt: microsOf(step.expiresAt),
    });
    expect(world.clock.pending()).toBe(0);
  });

  test("however it is held and renewed", async () => {
    const step = await open({ leaseSeconds: 100 });
    await hold(step);
    for (let seconds = 0; seconds < 300; seconds += 60) {
      await renew(step);
      await pass(60_000);
    }
    expect(await stateOf(step)).toBe("EXPIRED");
  });

  test("with its descendants, which hold no longer than it", async () => {
    const parent = await open();
    const child = await world.openChild(agent, parent, { executor: { kind: "any" } });
    lifetimes.opened(child);
    await pass(300_000);
    expect([await stateOf(parent), await stateOf(child)]).toEqual(["EXPIRED", "EXPIRED"]);
  });
});

describe("a lease", () => {
  test("that is not renewed in time abandons its step", async () => {
    const step = await open({ leaseSeconds: 10 });
    await pass(9_999);
    expect(await stateOf(step)).toBe("OPEN");
    await pass(1);
    expect(await stateOf(step)).toBe("ABANDONED");
  });

  test("runs anew from each renewal", async () => {
    const step = await open({ leaseSeconds: 10 });
    await pass(9_000);
    await renew(step);
    await pass(9_999);
    expect(await stateOf(step)).toBe("OPEN");
    await pass(1);
    expect(await stateOf(step)).toBe("ABANDONED");
  });

  test("that was renewed in the ledger just before its end came is not ended by that", async () => {
    const step = await open({ leaseSeconds: 10 });
    await pass(9_999);
    // The renewal is recorded and its timer not set yet: what the ledger holds decides.
    done(await world.ledger.perform({ act: "renew-step", stepId: step.stepId, now: world.clock.now() }));
    await pass(1);
    expect(await stateOf(step)).toBe("OPEN");
    lifetimes.renewed(await world.step(step.stepId));
    await pass(10_000);
    expect(await stateOf(step)).toBe("ABANDONED");
  });
});

describe("a hold", () => {
  test("is not needed by a step that nobody ever held", async () => {
    const step = await open();
    await pass(LIMITS.holdGraceMs * 10);
    expect(await stateOf(step)).toBe("OPEN");
  });

  test("that is let go of leaves five seconds to take the step up again", async () => {
    const step = await open();
    const release = await hold(step);
    await pass(60_000);
    release();
    await pass(4_999);
    expect(await stateOf(step)).toBe("OPEN");
    await pass(1);
    expect(await stateOf(step)).toBe("ABANDONED");
  });

  test("taken up again within the grace keeps the step open", async () => {
    const step = await open();
    (await hold(step))();
    await pass(4_000);
    const release = await hold(step);
    await pass(60_000);
    expect(await stateOf(step)).toBe("OPEN");
    release();
    await pass(5_000);
    expect(await stateOf(step)).toBe("ABANDONED");
  });

  test("of one holder is enough, and letting go of it twice is letting go once", async () => {
    const step = await open();
    const [one, two] = [await hold(step), await hold(step)];
    one();
    one();
    await pass(60_000);
    expect(await stateOf(step)).toBe("OPEN");
    two();
    await pass(5_000);
    expect(await stateOf(step)).toBe("ABANDONED");
  });

  test("of a step that has ended is nothing", async () => {
    const step = await open();
    const release = await hold(step);
    lifetimes.closed(await world.close(step));
    release();
    expect(world.clock.pending()).toBe(0);
    lifetimes.hold(step.stepId)();
    expect(world.clock.pending()).toBe(0);
  });
});

describe("an executor's process", () => {
  let executor: SimulatedProcess;
  const openFor = ({ process }: SimulatedProcess) => open({ executor: { kind: "process", process } });

  beforeEach(() => {
    executor = kernel.start(1_001);
  });

  test("that is gone leaves its step abandoned within a second", async () => {
    const [step, other] = [await openFor(executor), await openFor(kernel.start(1_001))];
    await pass(60_000);
    expect(await stateOf(step)).toBe("OPEN");
    kernel.kill(executor);
    await pass(999);
    expect([await stateOf(step), await stateOf(other)]).toEqual(["ABANDONED", "OPEN"]);
  });

  test("that was gone before the step was taken up leaves it abandoned too", async () => {
    kernel.kill(executor);
    const step = await openFor(executor);
    await pass(0);
    await pass(999);
    expect(await stateOf(step)).toBe("ABANDONED");
  });

  test("that has just ended may still be spoken for by whoever waited for it", async () => {
    const step = await openFor(executor);
    kernel.kill(executor);
    await pass(100);
    lifetimes.closed(await world.close(step, { state: "FAILED" }));
    await pass(999);
    expect(await stateOf(step)).toBe("FAILED");
  });

  test("is watched for as long as its step is open", async () => {
    const step = await openFor(executor);
    expect(kernel.watched()).toBe(1);
    lifetimes.closed(await world.close(step));
    expect(kernel.watched()).toBe(0);
  });
});

describe("after a restart", () => {
  test("held steps have thirty seconds to be held again, and those that nobody held need nothing", async () => {
    const [gone, kept, free] = [await open(), await open(), await open()];
    await hold(gone);
    await hold(kept);
    await restart();
    await pass(29_999);
    await hold(kept);
    expect(await stateOf(gone)).toBe("OPEN");
    await pass(1);
    expect([await stateOf(gone), await stateOf(kept), await stateOf(free)]).toEqual(["ABANDONED", "OPEN", "OPEN"]);
  });

  test("what lapsed while the broker was down is closed at once", async () => {
    const expired = await open({ expiresAt: addSeconds(secondsOf(world.clock.now()), 20) });
    const leased = await open({ leaseSeconds: 20 });
    const executor = kernel.start(1_001);
    const executed = await open({ executor: { kind: "process", process: executor.process } });
    const lasting = await open();
    lifetimes.stop();
    kernel.kill(executor);
    await pass(20_000);
    await restart();
    await pass(0);
    expect([await stateOf(expired), await stateOf(leased)]).toEqual(["EXPIRED", "ABANDONED"]);
    await pass(999);
    expect([await stateOf(executed), await stateOf(lasting)]).toEqual(["ABANDONED", "OPEN"]);
  });

  test("a lease that was renewed before it runs on from there", async () => {
    const step = await open({ leaseSeconds: 10 });
    await pass(9_000);
    await renew(step);
    await restart();
    await pass(9_999);
    expect(await stateOf(step)).toBe("OPEN");
    await pass(1);
    expect(await stateOf(step)).toBe("ABANDONED");
  });
});

describe("a close that can't be recorded", () => {
  test.for([
    { of: "expiry", state: "EXPIRED" },
    { of: "lease", state: "ABANDONED" },
    { of: "hold", state: "ABANDONED" },
    { of: "executor", state: "ABANDONED" },
  ])("by $of is tried until it is", async ({ of, state }) => {
    const executor = kernel.start(1_001);
    const step = await open({
      ...(of === "lease" ? { leaseSeconds: 10 } : {}),
      ...(of === "executor" ? { executor: { kind: "process", process: executor.process } as const } : {}),
    });
    if (of === "hold") (await hold(step))();
    isDiskFull = true;
    if (of === "executor") kernel.kill(executor);
    await pass(of === "expiry" ? 300_000 : 10_000);
    for (let seconds = 0; seconds < 5; seconds += 1) await pass(1_000);
    expect(await stateOf(step)).toBe("OPEN");
    const expected = new BrokerError("LEDGER_UNAVAILABLE", "the ledger's disk is full");
    expect(failures.length).toBeGreaterThanOrEqual(5);
    for (const failure of failures.splice(0)) expect(failure).toEqual(expected);
    isDiskFull = false;
    await pass(1_000);
    expect(await stateOf(step)).toBe(state);
    expect(world.clock.pending()).toBe(0);
  });

  test("because of a hold is not tried any more once the step is held again", async () => {
    const step = await open();
    (await hold(step))();
    isDiskFull = true;
    await pass(5_000);
    expect(failures.splice(0)).toHaveLength(1);
    isDiskFull = false;
    await hold(step);
    await pass(60_000);
    expect(await stateOf(step)).toBe("OPEN");
  });

  test("because of a hold is not tried again where the step was held while that failed", async () => {
    const step = await open();
    (await hold(step))();
    isDiskFull = true;
    world.clock.advance(5_000);
    lifetimes.hold(step.stepId);
    isDiskFull = false;
    await pass(60_000);
    expect(failures.splice(0)).toHaveLength(1);
    expect(await stateOf(step)).toBe("OPEN");
  });

  test("because of a lease leaves the lease alone that began while that failed", async () => {
    const step = await open({ leaseSeconds: 10 });
    await pass(9_999);
    const { stepId } = step;
    const renewed = done(await world.ledger.perform({ act: "renew-step", stepId, now: world.clock.now() }));
    isDiskFull = true;
    world.clock.advance(1);
    lifetimes.renewed(renewed);
    isDiskFull = false;
    await pass(9_998);
    expect(failures.splice(0)).toHaveLength(1);
    expect(await stateOf(step)).toBe("OPEN");
    await pass(1);
    expect(await stateOf(step)).toBe("ABANDONED");
  });

  test("because of a lease is not tried any more once that is renewed", async () => {
    const step = await open({ leaseSeconds: 10 });
    isDiskFull = true;
    await pass(10_000);
    expect(failures.splice(0)).toHaveLength(1);
    isDiskFull = false;
    await renew(step);
    await pass(9_999);
    expect(await stateOf(step)).toBe("OPEN");
    await pass(1);
    expect(await stateOf(step)).toBe("ABANDONED");
  });
});

describe("who follows a step", () => {
  test("is told when it changes and when it ends, and not after having left", async () => {
    const step = await open({ leaseSeconds: 60 });
    const told: string[] = [];
    lifetimes.follow(step.stepId, () => told.push("stays"));
    const leave = lifetimes.follow(step.stepId, () => told.push("leaves"));
    await renew(step);
    leave();
    lifetimes.closed(await world.close(step));
    expect(told).toEqual(["stays", "leaves", "stays"]);
  });

  test("that has ended already is told at once, though not from within the call", async () => {
    const step = await open();
    lifetimes.closed(await world.close(step));
    let told = 0;
    lifetimes.follow(step.stepId, () => {
      told += 1;
    });
    expect(told).toBe(0);
    await Promise.resolve();
    expect(told).toBe(1);
  });

  test("learns of a close of more steps than an answer lists", async () => {
    const root = await open();
    const steps = await Promise.all(
      Array.from({ length: 1_050 }, () => {
        const { stepId: parentStepId, runId } = root;
        return world.open(agent, { executor: { kind: "any" }, parentStepId, runId, depth: 1 }, { openStepsMax: 2_000 });
      }),
    );
    const told = new Set<string>();
    for (const step of steps) {
      lifetimes.opened(step);
      lifetimes.follow(step.stepId, () => told.add(step.stepId));
    }
    const result = await world.close(root);
    expect(result).toMatchObject({ stepsClosed: 1_051, stepIds: { length: 1_000 } });
    lifetimes.closed(result);
    await pass(0);
    expect(told.size).toBe(steps.length);
    expect(world.clock.pending()).toBe(0);
  });

  test("learns of closes that nobody told of when all are looked at again", async () => {
    const [closed, open_] = [await open(), await open()];
    const told: string[] = [];
    for (const step of [closed, open_]) lifetimes.follow(step.stepId, () => told.push(step.stepId));
    await world.close(closed);
    await lifetimes.recheck();
    expect(told).toEqual([closed.stepId]);
  });
});

describe("when the clock is set", () => {
  test("forward, what is over by the new time ends now", async () => {
    const [step, leased] = [await open(), await open({ leaseSeconds: 200 })];
    setByMicros = 250_000_000;
    lifetimes.clockChanged(250);
    await pass(0);
    expect([await stateOf(step), await stateOf(leased)]).toEqual(["OPEN", "ABANDONED"]);
    await pass(50_000);
    expect(await stateOf(step)).toBe("EXPIRED");
  });

  test("back, nothing lasts longer than it was to", async () => {
    const [step, leased] = [await open(), await open({ leaseSeconds: 200 })];
    setByMicros = -3_600_000_000;
    lifetimes.clockChanged(-3_600);
    await pass(200_000);
    expect([await stateOf(step), await stateOf(leased)]).toEqual(["OPEN", "ABANDONED"]);
    await pass(100_000);
    expect(await stateOf(step)).toBe("EXPIRED");
  });
});

test("an open step is known beside the ledger, and one that was closed as the ledger has it", async () => {
  const step = await open();
  expect(await lifetimes.byId(step.stepId)).toEqual(step);
  lifetimes.closed(await world.close(step));
  expect(await lifetimes.byId(step.stepId)).toMatchObject({ state: "COMPLETED" });
  expect(await lifetimes.byId("step_of_nobody")).toBeUndefined();
  expect(step.openedAt).toBe(world.clock.now() satisfies UnixMicros);
});

describe("the open steps of an executor", () => {
  const executing = ({ process }: SimulatedProcess) => ({ process, entryIds: [agent.entryId] });

  test("are those that are open, also after a restart, and no more from the close on", async () => {
    const executor = kernel.start(31);
    const one = await open({ executor: { kind: "process", process: executor.process } });
    const two = await open();
    const idsOf = () => lifetimes.executedBy(executing(executor)).map(({ stepId }) => stepId);
    expect(idsOf()).toEqual([one.stepId, two.stepId]);
    await restart();
    expect(idsOf()).toEqual([one.stepId, two.stepId]);
    let told = 0;
    lifetimes.followExecutor(executing(executor), () => {
      told += 1;
    });
    lifetimes.closed(await world.close(one));
    expect(told).toBe(1);
    expect(idsOf()).toEqual([two.stepId]);
  });
});
