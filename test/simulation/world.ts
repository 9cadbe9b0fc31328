import { oneAfterTheOther } from "../../src/adapters/ledger-sqlite/one-after-the-other.ts";
import { parseEntryContent } from "../../src/domain/entry-content.ts";
import { type ProcessIdentity, sameProcess } from "../../src/domain/process.ts";
import type { Delivery } from "../../src/domain/stages.ts";
import type { OpenedStep } from "../../src/domain/step.ts";
import type { UnixMicros, UnixSeconds } from "../../src/domain/time.ts";
import type { Head } from "../../src/ports/ledger.ts";
import { dumpOf, openReplica } from "../follow/replica.ts";
import { memoryNoteSigner } from "../memory/memory-note-signer.ts";
import { memorySigner } from "../memory/memory-signer.ts";
import { vaultDisk } from "../memory/memory-vault.ts";
import { createRuleEngine } from "../memory/rule-engine.ts";
import { virtualClock } from "../memory/virtual-clock.ts";
import { type Ground, OPERATOR, TRUST_DOMAIN } from "./broker.ts";
import { createCallBook } from "./call-book.ts";
import { ENTRIES, PLACES, SIGNING, USERS, VERIFIER } from "./cast.ts";
import type { SeenCheckpoint } from "./checkpoint-invariants.ts";
import { createCheckpointPlaces } from "./checkpoint-places.ts";
import { at, chosen, isApt } from "./choose.ts";
import type { ClosureStream, ToldClosure } from "./closures.ts";
import { checkEnding } from "./ending-invariants.ts";
import type { SimulatedProcess } from "./kernel.ts";
import { laggingReplica } from "./lagging-replica.ts";
import { createLeaves } from "./leaves.ts";
import { startLives, turn } from "./lives.ts";
import { createLogin } from "./login.ts";
import { createModel } from "./model.ts";
import { promise } from "./model-history.ts";
import { createReceiver, pushed } from "./receivers.ts";
import type { SentReport } from "./reporters.ts";
import type { Manner } from "./schedule.ts";
import { clockBeside, createMachine, leafOf, ownPlace, sharedPlace } from "./sites.ts";
import type { DelegationToken } from "./tokens.ts";
import { committedSigner, type Faults, type Signature } from "./unsteady.ts";
import { createWatcher } from "./watcher.ts";

const START = 1_795_341_600 as UnixSeconds;
/** Followers have two seconds; some answers wait for one act after another. */
const ANSWERED_WITHIN_MS = 5_000;
/** Whoever asks an engine that is late may have to ask again, behind others who do. */
const ANSWERED_LATE_WITHIN_MS = 60_000;

/** One key of checkpoints for all simulations. */
const noteSigning = memoryNoteSigner();

/** A credential that left the broker, and to whom. */
export type Delivered = {
  readonly delivery: Delivery;
  readonly to: SimulatedProcess;
  readonly ca: Uint8Array | undefined;
  /** By a front end. */
  readonly apart: boolean;
};

/** Where all parties meet: a broker, which may be killed and start again, and what outlives it. */
export type World = Awaited<ReturnType<typeof createWorlds>>[number];

/** @returns the same world as it is around each of its brokers. */
export async function createWorlds({ delays, ledgerSigns, replicas }: Manner) {
  const clock = virtualClock(START);
  const random = countingRandomness();
  const failures: unknown[] = [];
  const failed = (error: unknown) => void failures.push(error);
  const signatures: Signature[] = [];
  const delivered: Delivered[] = [];
  const watchers = [
    createWatcher(VERIFIER, [PLACES[0]], clock),
    createWatcher(VERIFIER, PLACES, clock),
    createWatcher(SIGNING, [PLACES[1]], clock),
  ];
  const model = createModel();
  const leaves = createLeaves();
  const place = await (replicas === undefined ? ownPlace : sharedPlace)({ clock, randomness: random });
  const noteSigner = await noteSigning;
  const vault = vaultDisk(random);
  let lifeNumber = 0;
  const nextLife = () => {
    lifeNumber += 1;
    return lifeNumber;
  };
  const bootIds = replicas?.map(({ machine }) => `boot-${machine}`) ?? ["boot"];
  const machines = new Map([...new Set(bootIds)].map((bootId) => [bootId, createMachine(bootId, USERS)]));
  const processesOf = () =>
    [...machines.values()].flatMap(({ kernel, processes }) => processes.map((one) => ({ kernel, one })));

  const common = {
    model,
    leaves,
    closureReceipts: [] as string[],
    /** Of checkpoints. */
    noteKey: noteSigner.publicKey,
    receivers: [VERIFIER, SIGNING].map(createReceiver),
    signatures,
    delivered,
    /** Delegation tokens that left the broker. */
    tokens: [] as DelegationToken[],
    watchers,
    /** Verifiers that have been on the feed. */
    attended: new Set<string>(),
    /** What was told of closes, the newest last. */
    toldClosures: [] as ToldClosure[],
    closureStreams: [] as ClosureStream[],
    calls: createCallBook(),
    /** What verifiers said of calls, the oldest first. */
    reports: [] as SentReport[],
    /** Acknowledged offboardings, each with what the ledger's head was when it was asked for and when it was answered. */
    offboarded: [] as { readonly principalId: string; readonly from: number; readonly through: number }[],
    /** What failed behind everybody's back. */
    failures,
    /** When each event was committed. */
    committedAt: new Map<number, UnixMicros>(),
    flags: {
      /** The present round leaves it as it is whether anything may be issued. */
      isSteady: true,
      /** A change of an entry met a ledger that could not be written: its operator was told that it is not done. */
      isChangePending: false,
    },
    /** Whether there is no broker any more that was asked in this life. */
    isOver: (life: number): boolean => !worlds.some((one) => one.isUp && one.lives === life),
    uidOf: (of: ProcessIdentity) => processesOf().find(({ one }) => sameProcess(one.process, of))?.one.uid,
    isAlive: (of: ProcessIdentity) =>
      processesOf().some(({ kernel, one }) => sameProcess(one.process, of) && kernel.isAlive(one)),
    steps: (): readonly OpenedStep[] => [...model.steps.values()].map(({ step }) => step),
    prunedFromLog: place.pruned,
    rest,
    answered,
    /** Lets time pass second by second. */
    async pass(seconds: number): Promise<void> {
      for (let second = 0; second < seconds; second += 1) {
        clock.advance(1_000);
        await rest();
      }
    },
    async end(): Promise<void> {
      for (const one of worlds) await one.endSite();
      await place.end();
    },
  };

  async function rest(): Promise<void> {
    await turn();
    for (const told of place.news()) {
      leaves.add(leafOf(told));
      common.committedAt.set(told.sequence, told.at);
      checkEnding(told, worlds);
      model.take(told.event, told.sequence);
    }
    // Whoever is well takes what there is, a page a turn.
    while (worlds.some((one) => one.isTaking())) await turn();
    // Whatever can be judged is judged; what failed is tried again later.
    const isJudging = () => worlds.some((one) => one.isUp && one.broker.reassessment.isAtWork());
    for (let turns = 0; turns < 50 && isJudging(); turns += 1) await turn();
    if (place.head() > model.sequence || worlds.some((one) => one.isTaking())) await rest();
  }

  /**
   * Lets time pass while an answer waits for what makes it hold, which is not for long.
   *
   * @param meanwhileMs - that is to pass in any case.
   */
  async function answered<Value>(asked: Promise<Value>, meanwhileMs = 0): Promise<Value> {
    let isAnswered = false;
    const settled = () => {
      isAnswered = true;
    };
    asked.then(settled, settled);
    for (let waitedMs = 0; ; waitedMs += 500) {
      await turn();
      if (isAnswered) return asked;
      const isLate = worlds.some(({ faults }) => faults.engine === "late");
      const withinMs = isLate ? ANSWERED_LATE_WITHIN_MS : ANSWERED_WITHIN_MS;
      promise(waitedMs <= withinMs + meanwhileMs, "an answer waits for seconds at most for what makes it hold");
      clock.advance(500);
    }
  }

  /** The world as it is around one broker. */
  async function around(site: { readonly name: string; readonly bootId: string; readonly offsetSeconds: number }) {
    const { name } = site;
    const machine = machines.get(site.bootId);
    if (machine === undefined) throw new TypeError("no machine");
    const { kernel, processes } = machine;
    const ownClock = replicas === undefined ? clock : clockBeside(clock, site.offsetSeconds);
    const faults: Faults = {
      ...{ isLedgerUnavailable: false, isSignerUnavailable: false },
      ...{ engine: "well", failingFollower: undefined, checkpoints: undefined },
    };
    const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness: random });
    let committed = (_: Head): void => undefined;
    const sitePlace = await place.site({
      ...{ name, machine, failed, clock: ownClock },
      committed: (reached) => committed(reached),
      signer: ledgerSigns ? committedSigner(signer.committed, faults, signatures, place.head) : undefined,
    });
    const ground: Omit<Ground, "store"> = {
      signer,
      kernel,
      clock: ownClock,
      random,
      engine: createRuleEngine(),
      principalTokens: createLogin(),
      approvalSeconds: 60,
      failed,
      ...(replicas === undefined
        ? { events: { push: (url: string, token: string) => pushed(one, url, token) } }
        : { replica: name }),
    };
    const front =
      replicas === undefined ? await laggingReplica({ ...ground, store: await sitePlace.open() }) : undefined;
    const places = createCheckpointPlaces({ signer: noteSigner, faults, clock: ownClock, head: place.head, failed });
    const lives = await startLives(
      { ...ground, ...(front === undefined ? {} : { front: front.kept }) },
      { delays, faults, signatures, places, place: sitePlace, vault, nextLife, head: place.head },
    );
    committed = lives.committed;
    /** Holds that are up, by their step. */
    const holds = new Map<() => void, string>();
    const inTurn = oneAfterTheOther();

    async function kill(): Promise<void> {
      if (!lives.isUp) return;
      holds.clear();
      for (const watcher of watchers) if (watcher.broker === lives.broker) watcher.leave();
      for (const { leaving, life } of common.closureStreams) if (life === lives.count) leaving.abort();
      // A change may be cut short.
      common.flags.isChangePending = true;
      await lives.kill();
    }

    async function start(): Promise<void> {
      faults.isLedgerUnavailable = false;
      faults.engine = "well";
      faults.failingFollower = undefined;
      // No start falls into the microsecond of what the life before did last.
      clock.advance(1);
      await lives.start();
      if (lives.isUp) common.flags.isChangePending = false;
    }

    const one = {
      ...common,
      name,
      /** How far the clock of this broker is off. */
      offsetSeconds: site.offsetSeconds,
      machine,
      kernel,
      /** Of the machine of this broker. */
      processes,
      /** Of the world, but for what steps it. */
      clock: { ...clock, stepWall: ownClock.stepWall, skewSeconds: ownClock.skewSeconds },
      faults,
      /** This broker could not write at some time what it had to record. */
      couldNotRecord: false,
      places,
      /** The newest checkpoint that was looked at of each place. */
      seenCheckpoints: new Map<string, SeenCheckpoint>(),
      firstCheckpoint: undefined as SeenCheckpoint | undefined,
      holds,
      /** A second process, which only follows; where the ledger is shared, there is none. */
      replica: front,
      way: sitePlace.way,
      tables: sitePlace.tables,
      get ground(): Ground {
        return { ...ground, store: lives.store };
      },
      get isUp() {
        return lives.isUp;
      },
      /** Which of all lives of brokers it is. */
      get lives() {
        return lives.count;
      },
      get life() {
        return lives.life;
      },
      get broker() {
        return lives.broker;
      },
      kill: () => inTurn(kill),
      /** @param anew - its tables are gone, and are made anew. */
      begin: (anew: boolean) =>
        inTurn(async () => {
          if (lives.isUp) return;
          if (anew) sitePlace.remove();
          await start();
        }),
      restart: () => inTurn(() => kill().then(start)),
      /** Resolves once it has started again, if it was to. */
      restarted: () => inTurn(async () => undefined),
      /** Whether it knows all that is recorded. */
      isCurrent: () => lives.isUp && lives.store.ledger.head().sequence === model.sequence,
      isTaking() {
        const { ledger } = lives.store;
        return (
          lives.isUp &&
          ledger.followers().some(({ position, failure }) => failure === undefined && position < ledger.head().sequence)
        );
      },
      /** Mostly one of those who fit, if there are any. */
      actor(by: number, fits: (one: SimulatedProcess) => boolean): SimulatedProcess {
        const fitting = isApt(by) ? processes.filter((process) => kernel.isAlive(process) && fits(process)) : [];
        return at(fitting, by) ?? chosen(processes, by);
      },
      /** While nothing may be issued, whatever begins to be opened or issued must be refused. */
      async guarded<Value>(work: () => Promise<Value>): Promise<Value | undefined> {
        const isSuspended = common.flags.isSteady && lives.broker.isSuspended();
        const value = await work();
        if (isSuspended) throw new Error("broken: nothing is opened or issued while that is suspended");
        return value;
      },
      /** What each has that follows: the broker's own followers, a second process behind it, and one that begins now. */
      async replicas(): Promise<readonly string[]> {
        const fresh = await openReplica({ ...lives.store, clock, failed });
        front?.catchUp();
        await rest();
        for (let left = 100; left > 0; left -= 1) await turn();
        const own = { ...lives.broker, authorities: { all: lives.broker.authorities.history } };
        const dumps = [dumpOf(own, lives.denied, clock), ...(front === undefined ? [] : [front.dump()]), fresh.dump()];
        fresh.end();
        return dumps;
      },
      async endSite(): Promise<void> {
        front?.end();
        await lives.end();
      },
    };
    return one;
  }

  const sites = replicas ?? [{ offsetSeconds: 0 }];
  const worlds: Awaited<ReturnType<typeof around>>[] = [];
  for (const [index, { offsetSeconds }] of sites.entries()) {
    worlds.push(await around({ name: `replica-${index}`, bootId: bootIds[index] ?? "boot", offsetSeconds }));
  }
  const [first] = worlds;
  for (const content of ENTRIES) await first?.broker.registry.create(parseEntryContent(content), "api", OPERATOR);
  await rest();
  return worlds;
}

/** Bytes that never repeat and are the same in every run. */
function countingRandomness() {
  let count = 0;
  return {
    bytes(length: number) {
      count += 1;
      const bytes = Buffer.alloc(length);
      // At both ends: a part of them names something, too.
      bytes.writeUInt32BE(count, length - 4);
      if (length >= 8) bytes.writeUInt32BE(count, 0);
      return bytes;
    },
  };
}
