import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { keepLifetimes, type Lifetimes } from "../../src/close/lifetimes.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import type { OpenedStep, Step } from "../../src/domain/step.ts";
import { addMicros, addSeconds, microsOf, secondsOf } from "../../src/domain/time.ts";
import type { Committed } from "../../src/ports/following.ts";
import type { Ledger } from "../../src/ports/ledger.ts";
import { done, ports, present, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { createKernel, type Kernel, type SimulatedProcess } from "../simulation/kernel.ts";

let world: World;
let kernel: Kernel;
let lifetimes: Lifetimes;
let agent: RegistrationEntry;
let isDiskFull: boolean;
/** How far the clock was set, as `confirm-clock` does. */
let setByMicros: number;
/** Events that the lifetimes are not given yet; `undefined` while they are given everything at once. */
let heldBack: (() => void)[] | undefined;
const failures: unknown[] = [];

beforeEach(async () => {
  const given = ports();
  const store = await openMemoryLedger(given);
  world = worldOf(store, given);
  kernel = createKernel();
  agent = await world.agent();
  isDiskFull = false;
  setByMicros = 0;
  heldBack = undefined;
  lifetimes = await create();
});
afterEach(async () => {
  lifetimes.stop();
  expect(world.clock.pending()).toBe(0);
  await world.store.close();
  expect(failures.splice(0)).toEqual([]);
});

function create(): Promise<Lifetimes> {
  const { clock, store } = world;
  const perform: Ledger["perform"] = (act) =>
    isDiskFull
      ? Promise.reject(new BrokerError("LEDGER_UNAVAILABLE", "the ledger's disk is full"))
      : store.ledger.perform(act);
  const follow: Ledger["follow"] = (follower, after) => {
    if (!("take" in follower)) throw new TypeError("lifetimes take one event after another");
    const take = (committed: Committed) => {
      if (heldBack === undefined) follower.take(committed);
      else heldBack.push(() => follower.take(committed));
    };
    return store.ledger.follow({ ...follower, take }, after);
  };
  return keepLifetimes({
    ledger: { perform, follow },
    projections: store.projections,
    processes: kernel.processes,
    clock: { ...clock, now: () => addMicros(clock.now(), setByMicros) },
    failed: (error) => void failures.push(error),
  });
}

/** A new broker on the same ledger. */
async function restart(): Promise<void> {
  lifetimes.stop();
  lifetimes = await create();
}

const open = (own: Partial<OpenedStep> = {}): Promise<Step> => world.open(agent, { executor: { kind: "any" }, ...own });

/** What is committed in the meantime, the lifetimes learn of at its end. */
async function heldBackWhile(work: () => Promise<void>): Promise<void> {
  const events: (() => void)[] = [];
  heldBack = events;
  await work();
  heldBack = undefined;
  for (const give of events) give();
}

async function hold({ stepId }: Step): Promise<() => void> {
  done(await world.ledger.perform({ act: "hold-step", stepId, now: world.clock.now() }));
  return lifetimes.hold(stepId);
}

async function renew({ stepId }: Step): Promise<void> {
  done(await world.ledger.perform({ act: "renew-step", stepId, now: world.clock.now() }));
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
    await heldBackWhile(async () => {
      await renew(step);
      await pass(1);
    });
    expect(await stateOf(step)).toBe("OPEN");
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

  test("that was let go of before anybody here knew of the step leaves the same time to take it up again", async () => {
    let step: Step | undefined;
    await heldBackWhile(async () => {
      step = await open();
      (await hold(step))();
    });
    await pass(LIMITS.holdGraceMs - 1);
    expect(await stateOf(present(step))).toBe("OPEN");
    await pass(1);
    expect(await stateOf(present(step))).toBe("ABANDONED");
  });

  test("that began before anybody here knew of the step keeps it open", async () => {
    let step: Step | undefined;
    let release: (() => void) | undefined;
    await heldBackWhile(async () => {
      step = await open();
      release = await hold(step);
    });
    await pass(60_000);
    expect(await stateOf(present(step))).toBe("OPEN");
    release?.();
    await pass(LIMITS.holdGraceMs);
    expect(await stateOf(present(step))).toBe("ABANDONED");
  });

  test("of a step that has ended is nothing", async () => {
    const step = await open();
    const release = await hold(step);
    await world.close(step);
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
    await world.close(step, { state: "FAILED" });
    await pass(999);
    expect(await stateOf(step)).toBe("FAILED");
  });

  test("is watched for as long as its step is open", async () => {
    const step = await openFor(executor);
    expect(kernel.watched()).toBe(1);
    await world.close(step);
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
    await heldBackWhile(async () => {
      await renew(step);
      isDiskFull = true;
      world.clock.advance(1);
    });
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
