import { type CanonicalValue, canonicalJson } from "../../src/domain/canonical-json.ts";
import { parseEntryContent } from "../../src/domain/entry-content.ts";
import type { Delivery } from "../../src/domain/stages.ts";
import type { OpenedStep } from "../../src/domain/step.ts";
import type { UnixSeconds } from "../../src/domain/time.ts";
import type { Committed } from "../../src/ports/following.ts";
import type { Head } from "../../src/ports/ledger.ts";
import { dumpOf, openReplica } from "../follow/replica.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { memoryNoteSigner } from "../memory/memory-note-signer.ts";
import { memorySigner } from "../memory/memory-signer.ts";
import { createRuleEngine } from "../memory/rule-engine.ts";
import { virtualClock } from "../memory/virtual-clock.ts";
import { type Ground, OPERATOR, TRUST_DOMAIN } from "./broker.ts";
import { createCallBook } from "./call-book.ts";
import { ENTRIES, PLACES, SIGNING, USERS, VERIFIER } from "./cast.ts";
import type { SeenCheckpoint } from "./checkpoint-invariants.ts";
import { createCheckpointPlaces } from "./checkpoint-places.ts";
import { at, chosen, isApt } from "./choose.ts";
import type { ClosureStream, ToldClosure } from "./closures.ts";
import { createKernel, type SimulatedProcess } from "./kernel.ts";
import { laggingReplica } from "./lagging-replica.ts";
import { createLeaves } from "./leaves.ts";
import { startLives, turn } from "./lives.ts";
import { createLogin } from "./login.ts";
import { createModel } from "./model.ts";
import { promise } from "./model-history.ts";
import { createReceiver, pushed } from "./receivers.ts";
import type { SentReport } from "./reporters.ts";
import type { Manner } from "./schedule.ts";
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
export type World = Awaited<ReturnType<typeof createWorld>>;

export async function createWorld({ delays, ledgerSigns }: Manner) {
  const clock = virtualClock(START);
  const random = countingRandomness();
  const kernel = createKernel();
  const failures: unknown[] = [];
  const failed = (error: unknown) => void failures.push(error);
  const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness: random });
  const faults: Faults = {
    ...{ isLedgerUnavailable: false, isSignerUnavailable: false },
    ...{ engine: "well", failingFollower: undefined, checkpoints: undefined },
  };
  const signatures: Signature[] = [];
  const head = (): number => store.ledger.head().sequence;
  const signing = committedSigner(signer.committed, faults, signatures, head);
  let committed = (_: Head): void => undefined;
  const store = await openMemoryLedger({
    ...{ clock, randomness: random, failed, committed: (reached: Head) => committed(reached) },
    ...(ledgerSigns ? { signer: signing } : {}),
  });
  const ground: Ground = {
    store,
    signer,
    kernel,
    clock,
    random,
    engine: createRuleEngine(),
    principalTokens: createLogin(),
    approvalSeconds: 60,
    events: { push: (url, token) => pushed(world, url, token) },
    failed,
  };
  const delivered: Delivered[] = [];
  const tokens: DelegationToken[] = [];
  const holds = new Map<() => void, string>();
  const processes: SimulatedProcess[] = USERS.map((uid) => kernel.start(uid));
  const watchers = [
    createWatcher(VERIFIER, [PLACES[0]]),
    createWatcher(VERIFIER, PLACES),
    createWatcher(SIGNING, [PLACES[1]]),
  ];
  const model = createModel();
  const leaves = createLeaves();
  // Taken down when it is committed: later it may be pruned.
  const told: Committed[] = [];
  store.ledger.follow({ name: "the model", take: (committed) => void told.push(committed) }, 0);
  let restarting = Promise.resolve();
  const replica = await laggingReplica(ground);
  const noteSigner = await noteSigning;
  const places = createCheckpointPlaces({ signer: noteSigner, faults, clock, head, failed });
  const lives = await startLives({ ...ground, front: replica.kept }, { delays, faults, signatures, places });
  committed = lives.committed;
  for (const content of ENTRIES) await lives.broker.registry.create(parseEntryContent(content), "api", OPERATOR);

  async function restart(): Promise<void> {
    holds.clear();
    for (const watcher of watchers) watcher.leave();
    for (const { leaving } of world.closureStreams) leaving.abort();
    faults.isLedgerUnavailable = false;
    faults.engine = "well";
    faults.failingFollower = undefined;
    // No start falls into the microsecond of what the life before did last.
    clock.advance(1);
    await lives.restart();
    world.isChangePending = false;
  }

  async function rest(): Promise<void> {
    await turn();
    for (const { event, sequence } of told.splice(0)) {
      leaves.add(canonicalJson(event as CanonicalValue));
      model.take(event, sequence);
    }
    // Whoever is well takes what there is, a page a turn.
    while (
      store.ledger.followers().some(({ position, failure }) => failure === undefined && position < model.sequence)
    ) {
      await turn();
    }
    // Whatever can be judged is judged; what failed is tried again later.
    for (let turns = 0; lives.isUp && turns < 50 && lives.broker.reassessment.isAtWork(); turns += 1) await turn();
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
    leaves,
    places,
    /** The newest checkpoint that was looked at of each place. */
    seenCheckpoints: new Map<string, SeenCheckpoint>(),
    firstCheckpoint: undefined as SeenCheckpoint | undefined,
    /** Of checkpoints. */
    noteKey: noteSigner.publicKey,
    closureReceipts: [] as string[],
    receivers: [VERIFIER, SIGNING].map(createReceiver),
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
    /** The present round leaves it as it is whether anything may be issued. */
    isSteady: true,
    /** A change of an entry met a ledger that could not be written: its operator was told that it is not done. */
    isChangePending: false,
    /** The ledger could not be written at some time. */
    hadLedgerUnavailable: false,
    get isUp() {
      return lives.isUp;
    },
    /** How often the broker has been started. */
    get lives() {
      return lives.count;
    },
    get life() {
      return lives.life;
    },
    get broker() {
      return lives.broker;
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
    isJudged: () => lives.isUp && !lives.broker.reassessment.isAtWork(),
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
      const isSuspended = world.isSteady && lives.broker.isSuspended();
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
      const own = { ...lives.broker, authorities: { all: lives.broker.authorities.history } };
      const dumps = [dumpOf(own, lives.denied, clock), replica.dump(), fresh.dump()];
      fresh.end();
      return dumps;
    },
    async end(): Promise<void> {
      lives.end();
      replica.end();
      await store.close();
    },
  };
  await rest();
  return world;
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
