import type { FeedBatch } from "../../src/close/notify.ts";
import { beginWatch } from "../../src/close/watch.ts";
import { parseEntryContent } from "../../src/domain/entry-content.ts";
import type { Delivery } from "../../src/domain/stages.ts";
import type { OpenedStep } from "../../src/domain/step.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import type { DenyEntry } from "../../src/ports/ledger-reads.ts";
import type { PrincipalVault } from "../../src/ports/principal-vault.ts";
import { dumpOf, openReplica } from "../follow/replica.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { memorySigner } from "../memory/memory-signer.ts";
import { memoryVault, vaultDisk } from "../memory/memory-vault.ts";
import { createRuleEngine } from "../memory/rule-engine.ts";
import { virtualClock } from "../memory/virtual-clock.ts";
import { type Broker, type Ground, OPERATOR, startBroker, TRUST_DOMAIN } from "./broker.ts";
import { createCallBook } from "./call-book.ts";
import { ENTRIES, PLACES, USERS } from "./cast.ts";
import { at, chosen, isApt } from "./choose.ts";
import { createKernel, type SimulatedProcess } from "./kernel.ts";
import { eventsAfter, laggingReplica } from "./lagging-replica.ts";
import { createLogin } from "./login.ts";
import { createModel } from "./model.ts";
import { promise } from "./model-history.ts";
import type { DelegationToken } from "./tokens.ts";
import { type Faults, type Signature, unsteady } from "./unsteady.ts";
import { createWatcher } from "./watcher.ts";

const START = 1_795_341_600 as UnixSeconds;
/** Followers have two seconds; some answers wait for one act after another. */
const ANSWERED_WITHIN_MS = 5_000;
/** Whoever asks an engine that is late may have to ask again, behind others who do. */
const ANSWERED_LATE_WITHIN_MS = 60_000;

/** A credential that left the broker, and to whom. */
export type Delivered = {
  readonly delivery: Delivery;
  readonly to: SimulatedProcess;
  readonly ca: Uint8Array | undefined;
};

/** Where all parties meet: a broker, which may be killed and start again, and what outlives it. */
export type World = Awaited<ReturnType<typeof createWorld>>;

/** @param delays - how many turns each answer that the broker waits for takes. */
export async function createWorld(delays: readonly number[]) {
  const clock = virtualClock(START);
  const random = countingRandomness();
  const kernel = createKernel();
  const failures: unknown[] = [];
  const failed = (error: unknown) => void failures.push(error);
  const store = await openMemoryLedger({ clock, randomness: random, failed });
  const ground: Ground = {
    store,
    signer: memorySigner({ trustDomain: TRUST_DOMAIN, randomness: random }),
    kernel,
    clock,
    random,
    engine: createRuleEngine(),
    principalTokens: createLogin(),
    approvalSeconds: 60,
    failed,
  };
  const disk = vaultDisk(random);
  const faults: Faults = {
    ...{ isLedgerUnavailable: false, isSignerUnavailable: false },
    ...{ engine: "well", failingFollower: undefined },
  };
  const signatures: Signature[] = [];
  const delivered: Delivered[] = [];
  const tokens: DelegationToken[] = [];
  const holds = new Map<() => void, string>();
  const processes: SimulatedProcess[] = USERS.map((uid) => kernel.start(uid));
  const watchers = [createWatcher([PLACES[0]]), createWatcher(PLACES)];
  const model = createModel();
  const replica = await laggingReplica(ground);

  let isUp = true;
  let lives = 1;
  let restarting = Promise.resolve();
  let life = unsteady({ ...ground, principals: memoryVault(random, disk) }, delays, faults, signatures);
  let broker = await startBroker(life.ground);
  let denied = await deniedBy(broker);
  for (const content of ENTRIES) await broker.registry.create(parseEntryContent(content), "api", OPERATOR);

  /** What the old broker had asked its store for is done before the new one looks; what it had not, never. */
  async function restart(): Promise<void> {
    isUp = false;
    life.kill();
    broker.stop();
    holds.clear();
    for (const watcher of watchers) watcher.leave();
    faults.isLedgerUnavailable = false;
    faults.engine = "well";
    faults.failingFollower = undefined;
    await turn();
    const finding = await store.verifyAll();
    promise(finding.kind === "intact", "what a crash leaves is what follows from the events");
    lives += 1;
    life = unsteady({ ...ground, principals: await reopenedVault() }, delays, faults, signatures);
    broker = await startBroker(life.ground);
    denied = await deniedBy(broker);
    isUp = true;
    world.isChangePending = false;
  }

  /** As a start finds it: keys of those who were erased are gone, though the broker may have ended before it deleted them. */
  async function reopenedVault(): Promise<PrincipalVault> {
    const vault = memoryVault(random, disk);
    const erased = await store.registry.erasedPrincipals();
    for (const { principalId, sealed } of erased) await vault.erase(principalId, sealed);
    return vault;
  }

  /** All that the broker denies, as a watcher from its start on is told. */
  async function deniedBy({ notifier }: Broker): Promise<readonly DenyEntry[]> {
    const entries: DenyEntry[] = [];
    const take = (batch: FeedBatch) => void entries.push(...batch.entries);
    const { beginning, go } = await beginWatch(undefined, take, { ...store, notifier, clock });
    take(beginning.batch);
    go();
    return entries;
  }

  async function rest(): Promise<void> {
    await turn();
    for (;;) {
      const events = await eventsAfter(store, model.sequence, 500);
      for (const { event, sequence } of events) model.take(event, sequence);
      if (events.length === 0) break;
    }
    // Whoever is well takes what there is, a page a turn.
    while (
      store.ledger.followers().some(({ position, failure }) => failure === undefined && position < model.sequence)
    ) {
      await turn();
    }
    // Whatever can be judged is judged; what failed is tried again later.
    for (let turns = 0; isUp && turns < 50 && broker.reassessment.isAtWork(); turns += 1) await turn();
    if (store.ledger.head().sequence > model.sequence) await rest();
  }

  /** Lets time pass while an answer waits for what makes it hold, which is not for long. */
  async function answered<Value>(asked: Promise<Value>): Promise<Value> {
    let isAnswered = false;
    const settled = () => {
      isAnswered = true;
    };
    asked.then(settled, settled);
    for (let waitedMs = 0; ; waitedMs += 500) {
      await turn();
      if (isAnswered) return asked;
      const withinMs = faults.engine === "late" ? ANSWERED_LATE_WITHIN_MS : ANSWERED_WITHIN_MS;
      promise(waitedMs <= withinMs, "an answer waits for seconds at most for what makes it hold");
      clock.advance(500);
    }
  }

  const world = {
    ground,
    kernel,
    clock,
    model,
    faults,
    signatures,
    delivered,
    /** Delegation tokens that left the broker. */
    tokens,
    /** Holds that are up, by their step. */
    holds,
    processes,
    watchers,
    replica,
    calls: createCallBook(),
    /** Acknowledged offboardings, each with what the ledger's head was when it was asked for and when it was answered. */
    offboarded: [] as { readonly principalId: string; readonly from: number; readonly through: number }[],
    /** What failed behind everybody's back. */
    failures,
    /** The present round leaves it as it is whether anything may be issued. */
    isSteady: true,
    /** A change of an entry met a ledger that could not be written: its operator was told that it is not done. */
    isChangePending: false,
    /** The ledger could not be written at some time. */
    hadLedgerUnavailable: false,
    get isUp() {
      return isUp;
    },
    /** How often the broker has been started. */
    get lives() {
      return lives;
    },
    get life() {
      return life;
    },
    get broker() {
      return broker;
    },
    rest,
    answered,
    restart() {
      restarting = restarting.then(restart);
      return restarting;
    },
    restarted: () => restarting,
    isAlive: (pid: number) => processes.some((one) => one.process.pid === pid && kernel.isAlive(one)),
    /** Whether every open step was judged on what is in force. */
    isJudged: () => isUp && !broker.reassessment.isAtWork(),
    /** Lets time pass second by second. */
    async pass(seconds: number): Promise<void> {
      for (let second = 0; second < seconds; second += 1) {
        clock.advance(1_000);
        await rest();
      }
    },
    steps: (): readonly OpenedStep[] => [...model.steps.values()].map(({ step }) => step),
    /** Mostly one of those who fit, if there are any. */
    actor(by: number, fits: (one: SimulatedProcess) => boolean): SimulatedProcess {
      const fitting = isApt(by) ? processes.filter((one) => kernel.isAlive(one) && fits(one)) : [];
      return at(fitting, by) ?? chosen(processes, by);
    },
    /** While nothing may be issued, whatever begins to be opened or issued must be refused. */
    async guarded<Value>(work: () => Promise<Value>): Promise<Value | undefined> {
      const isSuspended = world.isSteady && broker.isSuspended();
      const value = await work();
      if (isSuspended) throw new Error("broken: nothing is opened or issued while that is suspended");
      return value;
    },
    /** What each has that follows: the broker's own followers, a second process behind it, and one that begins now. */
    async replicas(): Promise<readonly string[]> {
      const fresh = await openReplica({ ...store, clock, failed });
      replica.catchUp();
      await rest();
      for (let left = 100; left > 0; left -= 1) await turn();
      const own = { ...broker, authorities: { all: broker.authorities.history } };
      const dumps = [dumpOf(own, denied, clock), replica.dump(), fresh.dump()];
      fresh.end();
      return dumps;
    },
    async end(): Promise<void> {
      life.kill();
      broker.stop();
      replica.end();
      await store.close();
    },
  };
  await rest();
  return world;
}

/** All that is under way comes as far as it can: nothing here takes longer than turns within one of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Bytes that never repeat and are the same in every run. */
function countingRandomness() {
  let count = 0;
  return {
    bytes(length: number) {
      count += 1;
      const bytes = Buffer.alloc(length);
      bytes.writeUInt32BE(count, length - 4);
      return bytes;
    },
  };
}
