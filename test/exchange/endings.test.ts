import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createKnownReplicas } from "../../src/adapters/ledger-sqlite/known-replicas.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import type { ExchangeIntent, ExchangeOutcome } from "../../src/domain/exchange.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import type { Step } from "../../src/domain/step.ts";
import { secondsOf } from "../../src/domain/time.ts";
import { type Endings, keepEndings } from "../../src/exchange/endings.ts";
import { chargesAmong } from "../../src/follow/charge.ts";
import { type KeptSteps, keepStepDirectory } from "../../src/follow/step-directory.ts";
import type { ExchangeVault } from "../../src/ports/exchange-vault.ts";
import type { Ledger } from "../../src/ports/ledger.ts";
import type { Replicas } from "../../src/ports/replicas.ts";
import { intendAct, intentFor } from "../contract/exchange-acts.ts";
import { CONFIG, done, OPERATOR, ports, type World, worldOf } from "../contract/ledger-world.ts";
import { memoryExchanges } from "../memory/memory-exchanges.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { type MemoryTarget, memoryTarget } from "../memory/memory-target.ts";
import { createKernel } from "../simulation/kernel.ts";

let world: World;
let agent: RegistrationEntry;
let target: MemoryTarget;
let vault: ExchangeVault;
let steps: KeptSteps;
let endings: Endings;
let isDiskFull: boolean;
const failures: unknown[] = [];
const delayed: string[] = [];

beforeEach(async () => {
  const given = ports();
  const store = await openMemoryLedger(given);
  world = worldOf(store, given);
  agent = await world.agent();
  target = memoryTarget();
  vault = memoryExchanges(given.randomness).vault;
  isDiskFull = false;
  await start();
});
afterEach(async () => {
  stop();
  expect(world.clock.pending()).toBe(0);
  await world.store.close();
  expect(failures.splice(0)).toEqual([]);
  delayed.length = 0;
});

const perform: Ledger["perform"] = (act) =>
  isDiskFull
    ? Promise.reject(new BrokerError("LEDGER_UNAVAILABLE", "the ledger's disk is full"))
    : world.store.ledger.perform(act);

async function start(targets: readonly MemoryTarget[] = [target], replicas?: Replicas): Promise<void> {
  const { clock, store } = world;
  const failed = (error: unknown) => void failures.push(error);
  steps = await keepStepDirectory({ ...createKernel(), ...store, failed });
  endings = await keepEndings({
    ledger: { ...store.ledger, perform },
    projections: store.projections,
    stepDirectory: steps,
    targets: new Map(targets.map((one) => [one.name, one])),
    vault,
    charges: chargesAmong(replicas),
    clock,
    delayed: ({ failure = "" }) => void delayed.push(failure),
    failed,
  });
  await settled();
}

function stop(): void {
  endings.stop();
  steps.following.end();
}

/** Everything here is in memory: what is under way is done after some turns of the event loop, however slow they are. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
}

async function advance(ms: number): Promise<void> {
  world.clock.advance(ms);
  await settled();
}

/** A secret that was asked of the target and given. */
async function issued(step: Step, own: Partial<ExchangeIntent> = {}): Promise<ExchangeIntent> {
  const intent = intentFor(world, step, { target: "elsewhere", ...own });
  const { sequence } = done(await world.store.ledger.perform(intendAct(world, step, intent)));
  await endings.taken(sequence);
  target.alive.add(intent.exchangeId);
  await vault.keep(intent.exchangeId, `handle of ${intent.exchangeId}`);
  await answer(intent, { kind: "issued", expiresAt: intent.expiresAt });
  return intent;
}

const answer = ({ exchangeId }: ExchangeIntent, outcome: ExchangeOutcome) => endings.answer(exchangeId, outcome);
const stateOf = async ({ exchangeId, stepId }: ExchangeIntent) => {
  const rows = await world.store.history.exchanges({ stepId, now: world.clock.now(), limit: 10 });
  const found = rows.find((one) => one.exchangeId === exchangeId);
  return found?.ending ?? found?.state;
};

describe("a secret of another system", () => {
  test.for<{ how: string; end: (step: Step) => Promise<unknown> }>([
    { how: "is completed", end: (step) => world.close(step) },
    { how: "expires", end: (step) => world.close(step, { state: "EXPIRED" }) },
    { how: "is abandoned", end: (step) => world.close(step, { state: "ABANDONED" }) },
    { how: "is revoked with its run", end: ({ runId }) => world.close({ kind: "run", runId }) },
    {
      how: "is superseded",
      end: ({ runId, step, attempt }) => world.open(agent, { runId, step, attempt: attempt + 1 }, { supersedes: true }),
    },
    {
      how: "loses its entry",
      end: () => perform({ act: "retire-entry", entryId: agent.entryId, by: CONFIG, now: world.clock.now() }),
    },
    {
      how: "ends in a new epoch",
      end: () =>
        perform({ act: "start-epoch", epoch: "epoch_2", reason: "restored", by: OPERATOR, now: world.clock.now() }),
    },
  ])("ends when its step $how", async ({ end }) => {
    const step = await world.open(agent);
    const [own, other] = [await issued(step), await issued(await world.open(await world.agent()))];
    await end(step);
    await settled();
    expect(await stateOf(own)).toBe("told");
    expect(target.told.map(({ exchangeId }) => exchangeId)).toContain(own.exchangeId);
    expect(target.told[0]).toMatchObject({ handle: `handle of ${own.exchangeId}`, spiffeId: step.spiffeId });
    expect(await vault.find(own.exchangeId)).toBeUndefined();
    if (target.alive.size > 0) expect([...target.alive]).toEqual([other.exchangeId]);
  });

  test("ends with the step from which its step was delegated", async () => {
    const step = await world.open(agent);
    const child = await issued(await world.openChild(agent, step));
    await world.close(step);
    await settled();
    expect(await stateOf(child)).toBe("told");
  });

  test("is told again with growing pauses, of a minute at most, and recorded once the other system has done it", async () => {
    const step = await world.open(agent, { expiresAt: (secondsOf(world.clock.now()) + 900) as Step["expiresAt"] });
    const one = await issued(step, { expiresAt: step.expiresAt });
    target.isDown = true;
    await world.close(step);
    await settled();
    const pauses = [1, 2, 4, 8, 16, 32, 60, 60];
    for (const [count, pause] of pauses.entries()) {
      expect(delayed).toHaveLength(count + 1);
      await advance(pause * 1_000 - 1);
      expect(delayed).toHaveLength(count + 1);
      await advance(1);
    }
    expect(endings.ofStep(step.stepId)).toMatchObject([{ standing: "ending", failure: "can't be reached" }]);
    target.isDown = false;
    expect(await stateOf(one)).toBe("issued");
    await advance(60_000);
    expect(await stateOf(one)).toBe("told");
    expect(endings.ofStep(step.stepId)).toEqual([]);
  });

  test.for([
    { kind: "openbao", ending: "lapsed" },
    { kind: "postgres", ending: "told" },
  ] as const)("of $kind is $ending where the other system is back only after its time", async ({ kind, ending }) => {
    stop();
    target = memoryTarget({ kind });
    await start();
    const step = await world.open(agent);
    const one = await issued(step, { kind });
    target.isDown = true;
    await world.close(step);
    await advance(60_000);
    await advance(LIMITS.clockSkewSecondsMax * 1_000);
    expect(await stateOf(one)).toBe(ending === "lapsed" ? "lapsed" : "issued");
    target.isDown = false;
    await advance(60_000);
    expect(await stateOf(one)).toBe(ending);
  });

  test("is ended at its own time where that is before the step's", async () => {
    stop();
    target = memoryTarget({ kind: "postgres" });
    await start();
    const one = await issued(await world.open(agent), { kind: "postgres" });
    await advance(60_000 + LIMITS.clockSkewSecondsMax * 1_000);
    expect(await stateOf(one)).toBe("told");
  });

  test("that nobody can end is alive until its time is over", async () => {
    stop();
    target = memoryTarget({ kind: "aws-sts", isEndable: false });
    await start();
    const step = await world.open(agent);
    const one = await issued(step, { kind: "aws-sts", endable: false });
    const { sequence } = await world.close(step);
    await settled();
    const alive = [{ exchangeId: one.exchangeId, standing: "lapsing", expiresAt: one.expiresAt }];
    expect(await endings.afterClose(sequence, 10_000)).toMatchObject(alive);
    await advance(60_000 + LIMITS.clockSkewSecondsMax * 1_000);
    expect(await stateOf(one)).toBe("lapsed");
    expect(await endings.afterClose(sequence, 0)).toEqual([]);
  });

  test("of a target that is configured no more is ended once it is configured again", async () => {
    const step = await world.open(agent);
    const one = await issued(step);
    stop();
    await start([]);
    await world.close(step);
    await settled();
    expect(endings.ofStep(step.stepId)).toMatchObject([{ standing: "lapsing" }]);
    stop();
    await start();
    expect(await stateOf(one)).toBe("told");
  });

  test("whose end can't be recorded is told again, and recorded when it can", async () => {
    const step = await world.open(agent);
    const one = await issued(step);
    await world.close(step);
    isDiskFull = true;
    await settled();
    expect(await stateOf(one)).toBe("issued");
    isDiskFull = false;
    await advance(1_000);
    expect(await stateOf(one)).toBe("told");
  });

  test("whose answer can't be recorded is taken for unknown, and ended though its step goes on", async () => {
    const step = await world.open(agent);
    const intent = intentFor(world, step, { target: "elsewhere" });
    await endings.taken(done(await perform(intendAct(world, step, intent))).sequence);
    target.alive.add(intent.exchangeId);
    isDiskFull = true;
    await expect(answer(intent, { kind: "issued", expiresAt: intent.expiresAt })).rejects.toMatchObject({
      code: "LEDGER_UNAVAILABLE",
    });
    await settled();
    isDiskFull = false;
    await advance(1_000);
    expect(target.alive.size).toBe(0);
    expect(await stateOf(intent)).toBe("unknown");
    await advance(5_000);
    expect(await stateOf(intent)).toBe("told");
  });

  test("that was being asked for when the broker ended is looked for, and once more when the question may have arrived", async () => {
    const step = await world.open(agent);
    const held = await issued(step);
    const intent = intentFor(world, step, { target: "elsewhere" });
    await endings.taken(done(await perform(intendAct(world, step, intent))).sequence);
    stop();
    await start();
    expect(target.told).toMatchObject([{ exchangeId: intent.exchangeId, others: [`handle of ${held.exchangeId}`] }]);
    // The question of the broker that died arrives.
    target.alive.add(intent.exchangeId);
    await advance(5_000);
    expect([...target.alive]).toEqual([held.exchangeId]);
    expect(await stateOf(intent)).toBe("told");
  });

  test("is told of few at a time", async () => {
    const open = await Promise.all(Array.from({ length: 20 }, () => world.open(agent)));
    for (const step of open) await issued(step);
    await world.close({ kind: "entry", entryId: agent.entryId });
    await settled();
    expect(target.alive.size).toBe(0);
    expect(target.atOnce()).toBe(4);
  });
});

describe("who closes a step", () => {
  test("waits until all that can be ended is ended, and no longer than it wants to", async () => {
    const step = await world.open(agent);
    await issued(step);
    target.isDown = true;
    const { sequence } = await world.close(step);
    await settled();
    let answered: unknown;
    const waiting = endings.afterClose(sequence, 10_000).then((alive) => {
      answered = alive;
    });
    await settled();
    expect(answered).toBeUndefined();
    target.isDown = false;
    await advance(1_000);
    await waiting;
    expect(answered).toEqual([]);
    const other = await world.open(agent);
    await issued(other);
    target.isDown = true;
    const { sequence: later } = await world.close(other);
    await settled();
    const late = endings.afterClose(later, 1_500);
    await advance(1_500);
    expect(await late).toMatchObject([{ stepId: other.stepId, standing: "ending" }]);
    expect(await endings.afterClose(later, 0)).toMatchObject([{ stepId: other.stepId }]);
  });
});

describe("among brokers that share a ledger", () => {
  const machine = { bootId: "boot", pidNamespace: "4026531836" };
  let known: ReturnType<typeof createKnownReplicas>;
  const tell = (isThere: boolean) =>
    known.told(["a", "b"].map((name) => ({ name, machine, isAlive: name === "a" || isThere, report: { nodes: [] } })));

  /** As the broker `a`. */
  async function startShared(): Promise<void> {
    stop();
    known = createKnownReplicas("a", () => undefined);
    tell(true);
    await start([target], known);
  }

  test("each ends what it asked for; whoever closes the step waits for the other", async () => {
    await startShared();
    const step = await world.open(agent);
    const [own, other] = [await issued(step, { replica: "a" }), await issued(step, { replica: "b" })];
    const { sequence } = await world.close(step);
    await settled();
    expect(await Promise.all([own, other].map(stateOf))).toEqual(["told", "issued"]);
    expect(await endings.afterClose(sequence, 0)).toMatchObject([{ exchangeId: other.exchangeId, standing: "ending" }]);
    const ended = { exchangeId: other.exchangeId, ending: "told" } as const;
    await world.store.ledger.perform({ act: "end-exchange", ...ended, now: world.clock.now() });
    expect(await endings.afterClose(sequence, 10_000)).toEqual([]);
  });

  test("what a broker that is gone has left is ended by another once the step is over, and not before", async () => {
    await startShared();
    const step = await world.open(agent);
    const [left, unanswered] = [await issued(step, { replica: "b" }), intentFor(world, step, { replica: "b" })];
    done(await world.store.ledger.perform(intendAct(world, step, { ...unanswered, target: "elsewhere" })));
    await settled();
    tell(false);
    await settled();
    expect(await Promise.all([left, unanswered].map(stateOf))).toEqual(["issued", "unknown"]);
    expect(target.told).toEqual([]);
    await world.close(step);
    await advance(5_000);
    expect(await Promise.all([left, unanswered].map(stateOf))).toEqual(["told", "told"]);
  });
});
