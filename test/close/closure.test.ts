import { afterEach, beforeEach, expect, test } from "vitest";
import { type ClosurePorts, closureAfter, closuresAfter, type StepClosure } from "../../src/close/closure.ts";
import { createReceiptBook } from "../../src/close/receipts.ts";
import { leewayBy } from "../../src/domain/closure.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import type { VerifierEntry } from "../../src/domain/registration-entry.ts";
import type { Step } from "../../src/domain/step.ts";
import { createListeners } from "../../src/follow/listeners.ts";
import { createEntryIndex } from "../../src/registry/entry-index.ts";
import { endAct, intendAct, intentFor } from "../contract/exchange-acts.ts";
import { done, MCP, ports, present, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";

let world: World;
let verifier: VerifierEntry;
let book: ReturnType<typeof createReceiptBook>;
let closurePorts: ClosurePorts;
let exchangesChanged: () => void;
const entries = createEntryIndex();

beforeEach(async () => {
  const given = ports();
  world = worldOf(await openMemoryLedger(given), given);
  verifier = (await world.verifier()) as VerifierEntry;
  entries.put(verifier);
  const { onChange, tell } = createListeners((error) => {
    throw error;
  });
  exchangesChanged = tell;
  const { ledger, store, clock } = world;
  closurePorts = {
    ledger,
    history: store.history,
    receipts: start(),
    exchanges: { onChange },
    leewayOf: leewayBy(new Map()),
    clock,
  };
});
afterEach(() => world.store.close());

/** A broker that starts now, and has heard of nobody. */
function start() {
  book = createReceiptBook({ entries, clock: world.clock });
  return book;
}

function connect(watcherId: string): void {
  const { entryId } = verifier;
  const connectedSince = world.clock.now();
  book.connected({ watcherId, entryId, audiences: [MCP], maxStalenessSeconds: 20, connectedSince, appliedBefore: 0 });
}

async function closedStep(): Promise<{ readonly step: Step; readonly sequence: number }> {
  const step = await world.open(await world.agent());
  await world.issue(step);
  const { sequence } = await world.close(step);
  return { step, sequence };
}

const now = async (sequence: number) => present(await closureAfter(sequence, closurePorts));
const turns = async () => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

test("it is PARTIAL until the verifier has applied it, and then CLOSED and recorded", async () => {
  connect("w1");
  const { sequence } = await closedStep();
  expect(await now(sequence)).toMatchObject({ state: "PARTIAL", verifiers: [{ state: "PENDING" }] });
  const before = world.ledger.head().sequence;
  book.acknowledged("w1", sequence);
  const reachedAt = world.clock.now();
  expect(await now(sequence)).toMatchObject({ state: "CLOSED", reachedAt, verifiers: [{ state: "APPLIED" }] });
  expect(world.ledger.head().sequence).toBe(before + 1);
});

test("what was told to be CLOSED stays so after a restart, and when its verifier is registered no more", async () => {
  connect("w1");
  const { sequence } = await closedStep();
  book.acknowledged("w1", sequence);
  const first = await now(sequence);
  world.clock.advance(1_000);
  const restarted = { ...closurePorts, receipts: start() };
  expect(await closureAfter(sequence, restarted)).toMatchObject({ state: "CLOSED", reachedAt: first.reachedAt });
  entries.remove(verifier.entryId);
  expect(await closureAfter(sequence, restarted)).toMatchObject({
    state: "CLOSED",
    places: [{ state: "CLOSED" }],
    latestPossibleAcceptance: first.latestPossibleAcceptance,
  });
});

test("where nobody watches, time alone makes it CLOSED, which needs no record", async () => {
  const { sequence } = await closedStep();
  const head = world.ledger.head().sequence;
  const { state, places, latestPossibleAcceptance } = await now(sequence);
  expect({ state, places }).toMatchObject({ state: "UNKNOWN", places: [{ audience: MCP, leewaySeconds: 60 }] });
  world.clock.advance((latestPossibleAcceptance - world.clock.now()) / 1_000);
  const last = await now(sequence);
  expect(last.state).toBe("CLOSED");
  expect(last.reachedAt).toBeUndefined();
  expect(world.ledger.head().sequence).toBe(head);
});

test("a setting of an audience comes before what is usual", async () => {
  const { sequence } = await closedStep();
  const set = { ...closurePorts, leewayOf: leewayBy(new Map([[MCP, 7]])) };
  expect(await closureAfter(sequence, set)).toMatchObject({ places: [{ leewaySeconds: 7 }] });
});

test("when it can't be recorded, it is told all the same, and found again", async () => {
  connect("w1");
  const { sequence } = await closedStep();
  book.acknowledged("w1", sequence);
  const perform: ClosurePorts["ledger"]["perform"] = async () => {
    throw new BrokerError("LEDGER_UNAVAILABLE", "the disk is full");
  };
  const full = await closureAfter(sequence, { ...closurePorts, ledger: { perform } });
  expect(full).toMatchObject({ state: "CLOSED" });
  expect(present(full).reachedAt).toBeUndefined();
});

test("a watcher is told at once, at each change, and for the last time when it is CLOSED", async () => {
  connect("w1");
  const { sequence } = await closedStep();
  const told: StepClosure[] = [];
  const watching = (async () => {
    for await (const closure of closuresAfter(sequence, new AbortController().signal, closurePorts)) told.push(closure);
  })();
  await turns();
  expect(told.map(({ state, verifiers }) => [state, verifiers[0]?.state])).toEqual([["PARTIAL", "PENDING"]]);
  book.disconnected("w1");
  await turns();
  world.clock.advance(20);
  await turns();
  expect(told.at(-1)?.verifiers[0]?.state).toBe("DISCONNECTED");
  // It lapses, of which nobody tells.
  world.clock.advance(20_000);
  await turns();
  world.clock.advance(20);
  await turns();
  await watching;
  expect(told.at(-1)).toMatchObject({ state: "CLOSED", verifiers: [{ state: "LAPSED" }] });
});

test("a watcher waits for the end of an exchange, which nothing else brings about", async () => {
  const step = await world.open(await world.agent());
  const intent = intentFor(world, step);
  done(await world.ledger.perform(intendAct(world, step, intent)));
  const { sequence } = await world.close(step);
  const told: string[] = [];
  const watching = (async () => {
    for await (const { state } of closuresAfter(sequence, new AbortController().signal, closurePorts)) told.push(state);
  })();
  await turns();
  world.clock.advance(1_000_000);
  await turns();
  expect(told).toEqual(["UNKNOWN"]);
  await world.ledger.perform(endAct(world, intent));
  exchangesChanged();
  await turns();
  world.clock.advance(20);
  await turns();
  await watching;
  expect(told).toEqual(["UNKNOWN", "CLOSED"]);
});

test("a watcher that leaves ends its watch, and nothing of it is left behind", async () => {
  connect("w1");
  const { sequence } = await closedStep();
  const leaving = new AbortController();
  const watching = (async () => {
    for await (const _ of closuresAfter(sequence, leaving.signal, closurePorts));
  })();
  await turns();
  leaving.abort();
  await turns();
  world.clock.advance(20);
  await watching;
});
