import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { holdHandler } from "../../../src/api/grpc/hold.ts";
import { attest } from "../../../src/attest/attest.ts";
import { keepLifetimes, type Lifetimes } from "../../../src/close/lifetimes.ts";
import { BrokerError } from "../../../src/domain/errors.ts";
import { LIMITS } from "../../../src/domain/limits.ts";
import type { Step } from "../../../src/domain/step.ts";
import { keepStepDirectory } from "../../../src/follow/step-directory.ts";
import { Steps } from "../../../src/gen/stint/v1/steps_pb.js";
import { StepState } from "../../../src/gen/stint/v1/types_pb.js";
import type { StepDirectory } from "../../../src/ports/directories.ts";
import type { Ledger } from "../../../src/ports/ledger.ts";
import { createEntryIndex } from "../../../src/registry/entry-index.ts";
import { openChannel } from "../../../src/wire/channel.ts";
import { type ClientOf, createClient } from "../../../src/wire/client.ts";
import { methodDefinitionOf } from "../../../src/wire/service-definition.ts";
import { ports, type World, worldOf } from "../../contract/ledger-world.ts";
import { openMemoryLedger } from "../../memory/memory-ledger.ts";
import { createKernel } from "../../simulation/kernel.ts";

let world: World;
let lifetimes: Lifetimes;
let steps: ClientOf<typeof Steps>;
let step: Step;
/** What a hold waits for before it is recorded. */
let gate: Promise<void>;
let isUnreadable: boolean;
let asked: PromiseWithResolvers<void>;
/** The broker knows that its caller has left. */
let left: PromiseWithResolvers<void>;
const faults: unknown[] = [];
const closers: (() => unknown)[] = [];

beforeEach(async () => {
  const given = ports();
  const { clock } = given;
  const store = await openMemoryLedger(given);
  world = worldOf(store, given);
  const kernel = createKernel();
  const caller = kernel.start(1_001);
  const agent = await world.agent();
  const entries = createEntryIndex();
  entries.put(agent);
  gate = Promise.resolve();
  asked = Promise.withResolvers();
  left = Promise.withResolvers();
  isUnreadable = false;
  const ledger: Ledger = {
    ...store.ledger,
    async perform(act) {
      asked.resolve();
      await gate;
      return store.ledger.perform(act);
    },
  };
  const failed = (error: unknown) => void faults.push(error);
  const { projections } = store;
  lifetimes = await keepLifetimes({ ledger, projections, processes: kernel.processes, clock, failed });
  const kept = await keepStepDirectory({ ...kernel, ledger, projections, steps: store.steps, failed });
  const stepDirectory: StepDirectory = {
    ...kept,
    byId: async (stepId) => {
      if (isUnreadable) throw new BrokerError("LEDGER_UNAVAILABLE", "the ledger can't be read");
      return kept.byId(stepId);
    },
  };
  const server = new Server();
  const hold = holdHandler(
    {
      peerOf: () => caller.peer,
      attest: (peer) => attest(peer, { attestor: kernel.attestor, entries }),
      log: {
        request: () => undefined,
        fault: (_what, error) => failed(error),
        warning: () => undefined,
        recurring: () => undefined,
        info: () => undefined,
      },
      clock,
    },
    { ledger, stepDirectory, stepProcesses: kept, entries, lifetimes, clock },
  );
  server.addService(
    { hold: methodDefinitionOf(Steps.method.hold) },
    {
      hold(call: Parameters<typeof hold>[0]) {
        call.on("cancelled", left.resolve);
        hold(call);
      },
    },
  );
  const directory = mkdtempSync(join(tmpdir(), "stint-hold-"));
  const socket = join(directory, "hold.sock");
  await new Promise((resolve) => server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), resolve));
  const channel = openChannel(socket);
  steps = createClient(Steps, channel);
  step = await world.open(agent, { executor: { kind: "any" } });
  closers.push(
    () => channel.close(),
    () => server.forceShutdown(),
    () => lifetimes.stop(),
    () => store.close(),
    () => rmSync(directory, { recursive: true }),
  );
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  expect(faults.splice(0)).toEqual([]);
});

const stateOf = async () => (await world.step(step.stepId)).state;

async function pass(ms: number): Promise<void> {
  world.clock.advance(ms);
  await new Promise((resolve) => setImmediate(resolve));
}

test("whoever leaves while its hold is being recorded has held the step, which then needs a hold", async () => {
  const recording = Promise.withResolvers<void>();
  gate = recording.promise;
  const leaving = new AbortController();
  const messages = steps.hold({ stepId: step.stepId }, { signal: leaving.signal });
  const first = messages.next().catch((error: unknown) => error);
  await asked.promise;
  leaving.abort(new Error("left"));
  expect(await first).toMatchObject({ message: "left" });
  await left.promise;
  recording.resolve();
  await vi.waitFor(async () => expect((await world.step(step.stepId)).held).toBe(true));
  await vi.waitFor(async () => {
    await pass(LIMITS.holdGraceMs);
    expect(await stateOf()).toBe("ABANDONED");
  });
});

test("a hold keeps its step open for as long as the stream is up, and is told of the end", async () => {
  const messages = steps.hold({ stepId: step.stepId });
  expect(await messages.next()).toMatchObject({ value: { step: { state: StepState.OPEN }, expiring: false } });
  await pass(200_000);
  expect(await stateOf()).toBe("OPEN");
  await world.close(step);
  expect(await messages.next()).toMatchObject({ value: { step: { state: StepState.COMPLETED } } });
  expect(await messages.next()).toMatchObject({ done: true });
});

test("a hold is told once when little of the step's time is left", async () => {
  const messages = steps.hold({ stepId: step.stepId });
  await messages.next();
  await pass(269_999);
  await pass(1);
  expect(await messages.next()).toMatchObject({ value: { step: { state: StepState.OPEN }, expiring: true } });
});

test("a ledger that can't be read when there is something to tell ends the stream, and nothing else", async () => {
  const messages = steps.hold({ stepId: step.stepId });
  await messages.next();
  isUnreadable = true;
  await pass(270_000);
  await expect(messages.next()).rejects.toMatchObject({ reason: "LEDGER_UNAVAILABLE" });
  isUnreadable = false;
  await pass(LIMITS.holdGraceMs - 1);
  expect(await stateOf()).toBe("OPEN");
  const again = steps.hold({ stepId: step.stepId });
  expect(await again.next()).toMatchObject({ value: { step: { state: StepState.OPEN } } });
});
