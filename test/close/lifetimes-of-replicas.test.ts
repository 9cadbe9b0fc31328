import { afterEach, beforeEach, expect, test } from "vitest";
import { createKnownReplicas, type KnownReplicas } from "../../src/adapters/ledger-sqlite/known-replicas.ts";
import { keepLifetimes, type Lifetimes, type LifetimesPorts } from "../../src/close/lifetimes.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { NodeName } from "../../src/domain/node-name.ts";
import { formatProcess, processOfNode } from "../../src/domain/process.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import { NO_REPORT } from "../../src/domain/replica-report.ts";
import type { OpenedStep, Step } from "../../src/domain/step.ts";
import { chargesAmong } from "../../src/follow/charge.ts";
import type { Machine } from "../../src/ports/replicas.ts";
import { done, ports, processOf, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";

// Goal: among brokers that share a ledger each step is ended by the one that keeps it, and by one of the others once that one is gone.

const HERE: Machine = { bootId: "boot", pidNamespace: "4026531836" };
const THERE: Machine = { bootId: "another boot", pidNamespace: "4026531836" };
const NODE = "build-7" as NodeName;

let world: World;
let agent: RegistrationEntry;
/** As the broker `a` knows it, which would lead, and as `b` does, which would after it. */
let known: Record<"a" | "b", KnownReplicas>;
let running: Lifetimes[];
/** The processes that each looks at, with what it does once one of them is gone. */
let watched: Record<"a" | "b", Map<string, () => void>>;

beforeEach(async () => {
  const given = ports();
  world = worldOf(await openMemoryLedger(given), given);
  agent = await world.agent();
  known = { a: createKnownReplicas("a", () => undefined), b: createKnownReplicas("b", () => undefined) };
  watched = { a: new Map(), b: new Map() };
  running = [];
  tell({ a: true, b: true });
});
afterEach(async () => {
  for (const lifetimes of running) lifetimes.stop();
  await world.store.close();
});

/** @param nodeAt - the broker that attends the node. */
function tell({ a, b }: { readonly a: boolean; readonly b: boolean }, nodeAt?: "a" | "b"): void {
  const reportOf = (name: "a" | "b") => ({ nodes: name === nodeAt ? [NODE] : [] });
  const all = [
    { name: "a", machine: HERE, isAlive: a, report: reportOf("a") },
    { name: "b", machine: THERE, isAlive: b, report: reportOf("b") },
  ];
  for (const replicas of Object.values(known)) replicas.told(all);
}

async function start(name: "a" | "b", own: Partial<LifetimesPorts> = {}): Promise<Lifetimes> {
  const lifetimes = await keepLifetimes({
    ledger: world.store.ledger,
    projections: world.store.projections,
    processes: {
      watch(process, gone) {
        watched[name].set(formatProcess(process), gone);
        return () => void watched[name].delete(formatProcess(process));
      },
    },
    charges: chargesAmong(known[name]),
    clock: world.clock,
    failed(error) {
      throw error;
    },
    ...own,
  });
  running.push(lifetimes);
  return lifetimes;
}

const open = (keeper: "a" | "b", own: Partial<OpenedStep> = {}): Promise<Step> =>
  world.open(agent, { executor: { kind: "any" }, keeper, ...own });
const stateOf = async ({ stepId }: Step) => (await world.step(stepId)).state;

async function hold({ stepId }: Step, keeper: "a" | "b", by: Lifetimes): Promise<() => void> {
  done(await world.ledger.perform({ act: "hold-step", stepId, keeper, now: world.clock.now() }));
  return by.hold(stepId);
}

/** Time passes, and what that brings about is recorded. */
async function pass(ms: number): Promise<void> {
  world.clock.advance(ms);
  await new Promise((resolve) => setImmediate(resolve));
}

test("what one holds is not lost because another starts, or runs on without a hold of its own", async () => {
  const a = await start("a");
  const step = await open("a");
  await hold(step, "a", a);
  await start("b");
  await pass(LIMITS.holdGraceAfterRestartMs + LIMITS.holdGraceMs);
  expect(await stateOf(step)).toBe("OPEN");
});

test("what a broker held that is gone is abandoned by the first of the others, and not before its lease has lapsed", async () => {
  const [a, b] = [await start("a"), await start("b")];
  const [held, unheld, own] = [await open("a"), await open("a"), await open("b")];
  await hold(held, "a", a);
  await hold(own, "b", b);
  a.stop();
  await pass(LIMITS.holdGraceMs);
  expect(await stateOf(held)).toBe("OPEN");
  tell({ a: false, b: true });
  await pass(0);
  expect(await Promise.all([held, unheld, own].map(stateOf))).toEqual(["ABANDONED", "OPEN", "OPEN"]);
  await pass(300_000);
  expect(await stateOf(unheld)).toBe("EXPIRED");
});

test("a broker that does not lead ends nothing of one that is gone", async () => {
  const b = await start("b");
  const step = await open("b");
  await hold(step, "b", b);
  const unled = await open("a");
  b.stop();
  const again = await start("b");
  again.hold(step.stepId);
  tell({ a: true, b: true });
  await pass(300_000);
  expect(await stateOf(unled)).toBe("OPEN");
});

test("an executor on another's machine is not gone, until no broker is there that could see it", async () => {
  await start("a");
  const executor = { kind: "process", process: { ...processOf(77), ...THERE } } as const;
  const step = await open("b", { executor });
  const moved = await open("a", { executor });
  await pass(60_000);
  expect(await Promise.all([step, moved].map(stateOf))).toEqual(["OPEN", "OPEN"]);
  tell({ a: true, b: false });
  await pass(0);
  expect(await Promise.all([step, moved].map(stateOf))).toEqual(["ABANDONED", "ABANDONED"]);
});

test("a step that is held at another broker from now on is that broker's to end", async () => {
  const [a, b] = [await start("a"), await start("b")];
  const step = await open("a");
  const release = await hold(step, "a", a);
  await hold(step, "b", b);
  release();
  tell({ a: false, b: true });
  await pass(LIMITS.holdGraceMs * 2);
  expect(await world.step(step.stepId)).toMatchObject({ state: "OPEN", keeper: "b" });
});

test("a process behind a node is watched where the node is, and by the first of them while the node is nowhere", async () => {
  await start("a");
  await start("b");
  const process = processOfNode(NODE, { ...processOf(77), ...THERE });
  const step = await open("b", { executor: { kind: "process", process } });
  const watchers = () => (["a", "b"] as const).filter((name) => watched[name].has(formatProcess(process)));
  expect(watchers()).toEqual(["a"]);
  tell({ a: true, b: true }, "b");
  expect(watchers()).toEqual(["b"]);
  tell({ a: true, b: false }, "b");
  expect(watchers()).toEqual(["a"]);
  expect(await stateOf(step)).toBe("OPEN");
  tell({ a: true, b: true }, "b");
  // It ended, and the node goes to the other broker before its runtime had its time to close the step.
  watched.b.get(formatProcess(process))?.();
  tell({ a: true, b: true }, "a");
  await pass(10_000);
  expect(await stateOf(step)).toBe("OPEN");
  watched.a.get(formatProcess(process))?.();
  await pass(10_000);
  expect(await stateOf(step)).toBe("ABANDONED");
});

test("what one opens that has only just come is not ended by another, which has not looked since who is there", async () => {
  tell({ a: true, b: false });
  await start("a");
  const step = await open("b");
  await hold(step, "b", await start("b"));
  await pass(1_000);
  expect(await stateOf(step)).toBe("OPEN");
  tell({ a: true, b: true });
  await pass(60_000);
  expect(await stateOf(step)).toBe("OPEN");
});

test("what one opened that is gone by the next look is ended then", async () => {
  tell({ a: true, b: false });
  await start("a");
  const step = await open("b");
  await hold(step, "b", await start("b"));
  for (const lifetimes of running.splice(1)) lifetimes.stop();
  await pass(1_000);
  expect(await stateOf(step)).toBe("OPEN");
  tell({ a: true, b: false });
  await pass(1);
  expect(await stateOf(step)).toBe("ABANDONED");
});

test("an end that could not be recorded is not tried again once the broker that seemed to be gone is back", async () => {
  const { perform } = world.store.ledger;
  let isFull = true;
  const ledger = {
    ...world.store.ledger,
    perform: ((act) =>
      isFull ? Promise.reject(new BrokerError("LEDGER_UNAVAILABLE", "full")) : perform(act)) as typeof perform,
  };
  const executor = { kind: "process", process: { ...processOf(7), ...THERE } } as const;
  const held = await open("b");
  await hold(held, "b", await start("b"));
  const executed = await open("b", { executor });
  await start("a", { ledger, failed: () => undefined });
  const there = (isAlive: boolean) => [
    { name: "a", machine: HERE, isAlive: true, report: NO_REPORT },
    { name: "b", machine: THERE, isAlive, report: NO_REPORT },
  ];
  known.a.told(there(false));
  await pass(1_000);
  known.a.told(there(true));
  isFull = false;
  await pass(10_000);
  for (const step of [held, executed]) expect(await stateOf(step)).toBe("OPEN");
});
