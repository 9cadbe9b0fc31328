import type { FeedBatch } from "../../src/close/notify.ts";
import { beginWatch } from "../../src/close/watch.ts";
import { readCertificate } from "../../src/domain/certificate.ts";
import { sha256Hex } from "../../src/domain/digest.ts";
import { parseEntryContent } from "../../src/domain/entry-content.ts";
import { BrokerError, isDenial } from "../../src/domain/errors.ts";
import { type ProcessIdentity, sameProcess } from "../../src/domain/process.ts";
import { riskScopesOf } from "../../src/domain/risk.ts";
import { factScopesOf } from "../../src/domain/run-facts.ts";
import { parseSegment } from "../../src/domain/spiffe-id.ts";
import type { Delivery } from "../../src/domain/stages.ts";
import type { OpenedStep } from "../../src/domain/step.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../../src/domain/time.ts";
import type { SvidWanted } from "../../src/issue/entitle.ts";
import type { DenyEntry } from "../../src/ports/ledger-reads.ts";
import { dumpOf, openReplica } from "../follow/replica.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { memorySigner } from "../memory/memory-signer.ts";
import { createRuleEngine, policySetOf } from "../memory/rule-engine.ts";
import { virtualClock } from "../memory/virtual-clock.ts";
import { certificationRequest, p256 } from "../samples/certification-request.ts";
import { type Broker, type Ground, OPERATOR, startBroker, TRUST_DOMAIN } from "./broker.ts";
import {
  AUDIENCES,
  agentContent,
  chosenOf,
  ELEMENTS,
  ENTRIES,
  IDENTITY,
  MORE_AUDIENCES,
  NAMED,
  PLACES,
  POLICIES,
  RECEIVERS,
  USERS,
} from "./cast.ts";
import { createKernel, type SimulatedProcess } from "./kernel.ts";
import { eventsAfter, laggingReplica } from "./lagging-replica.ts";
import { createModel, type Model, promise } from "./model.ts";
import type { Event, Round } from "./schedule.ts";
import { type DelegationToken, HANDED_OVER, parentNamed } from "./tokens.ts";
import { type Faults, Killed, type Signature, unsteady } from "./unsteady.ts";
import { createWatcher, type Watcher } from "./watcher.ts";

const OUTCOMES = ["COMPLETED", "FAILED", "CANCELLED"] as const;
/** Followers have two seconds; some answers wait for one act after another. */
const ANSWERED_WITHIN_MS = 5_000;
const START = 1_795_341_600 as UnixSeconds;
const CSR = certificationRequest(p256());

/** Those that may fail: each keeps something that answers depend on. */
const FOLLOWERS = ["steps", "registration entries", "lifetimes of steps", "feed", "authorities"] as const;

/** A credential that left the broker, and to whom. */
export type Delivered = {
  readonly delivery: Delivery;
  readonly to: SimulatedProcess;
  readonly ca: Uint8Array | undefined;
};

/** One world in which a schedule takes place. */
export type Simulation = {
  readonly ground: Ground;
  readonly model: Model;
  readonly delivered: readonly Delivered[];
  readonly signatures: readonly Signature[];
  readonly watchers: readonly Watcher[];
  readonly faults: Faults;
  /** A change of an entry met a ledger that could not be written: its operator was told that it is not done. */
  readonly isChangePending: boolean;
  /** Holds that are up, by their step. */
  readonly holds: ReadonlyMap<() => void, string>;
  /** What failed behind everybody's back. */
  readonly failures: readonly unknown[];
  isAlive(pid: number): boolean;
  /** Does what is asked for at once, and waits until all is at rest. */
  run(round: Round): Promise<void>;
  /** What each has that follows: the broker's own followers, a second process behind it, and one that begins now. */
  replicas(): Promise<readonly string[]>;
  /** Whether every open step was judged on what is in force. */
  isJudged(): boolean;
  /** Whether the broker's feed has delivered all there is. */
  isFeedInForce(): boolean;
  /** Lets time pass second by second. */
  pass(seconds: number): Promise<void>;
  end(): Promise<void>;
};

export async function simulate(delays: readonly number[]): Promise<Simulation> {
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
    failed,
  };
  const faults: Faults = { isLedgerUnavailable: false, isSignerUnavailable: false, failingFollower: undefined };
  const signatures: Signature[] = [];
  const delivered: Delivered[] = [];
  const model = createModel();
  const watchers = [createWatcher([PLACES[0]]), createWatcher(PLACES)];
  const replica = await laggingReplica(ground);
  const holds = new Map<() => void, string>();
  const tokens: DelegationToken[] = [];
  const processes: SimulatedProcess[] = USERS.map((uid) => kernel.start(uid));

  /** Whether the present round leaves it as it is whether anything may be issued. */
  let isSteady = true;
  let isUp = true;
  let isChangePending = false;
  let restarting = Promise.resolve();
  let life = unsteady(ground, delays, faults, signatures);
  let broker = await startBroker(life.ground);
  let denied = await deniedBy(broker);
  for (const content of ENTRIES) await broker.registry.create(parseEntryContent(content), "api", OPERATOR);
  await rest();

  /** What the old broker had asked its store for is done before the new one looks; what it had not, never. */
  async function restart(): Promise<void> {
    isUp = false;
    life.kill();
    broker.stop();
    holds.clear();
    for (const watcher of watchers) watcher.leave();
    faults.isLedgerUnavailable = false;
    faults.failingFollower = undefined;
    await turn();
    life = unsteady(ground, delays, faults, signatures);
    broker = await startBroker(life.ground);
    denied = await deniedBy(broker);
    isUp = true;
    isChangePending = false;
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
      promise(waitedMs <= ANSWERED_WITHIN_MS, "an answer waits for seconds at most for what makes it hold");
      clock.advance(500);
    }
  }

  const steps = () => [...model.steps.values()].map(({ step }) => step);

  /** Mostly one of those who fit, if there are any. */
  function actor(by: number, fits: (one: SimulatedProcess) => boolean): SimulatedProcess {
    const fitting = by % 4 === 0 ? [] : processes.filter((one) => kernel.isAlive(one) && fits(one));
    return at(fitting, by) ?? chosen(processes, by);
  }

  const isIn =
    (...users: readonly number[]) =>
    ({ uid }: SimulatedProcess) =>
      users.includes(uid);
  const isProcess = (process: ProcessIdentity) => (one: SimulatedProcess) => sameProcess(one.process, process);

  function executorOf(wanted: Extract<Event, { kind: "open" }>["executor"], by: SimulatedProcess, agent: number) {
    if (wanted === "self" || wanted === "any") return { kind: wanted };
    if (typeof wanted === "number") return { kind: "pid", pid: chosen(processes, wanted).process.pid } as const;
    const executor = by.uid === agent + 1 ? undefined : actor(1, isIn(agent + 1));
    return executor === undefined ? ({ kind: "self" } as const) : ({ kind: "pid", pid: executor.process.pid } as const);
  }

  /** Who may well open it: by a token its receiver, a child whoever opened its parent, else who opens for the agent. */
  function openers(agent: number, parent: OpenedStep | undefined, token: DelegationToken | undefined) {
    if (token !== undefined) return isIn(token.uid);
    return parent === undefined ? isIn(agent === 0 ? 1 : 12, 11) : isProcess(parent.opener);
  }

  async function delegate(event: Extract<Event, { kind: "delegate" }>): Promise<void> {
    const live = [...model.steps.values()].flatMap(({ step: one, state }) => (state === "OPEN" ? [one] : []));
    const step = at(event.by % 4 === 0 ? steps() : live, event.step);
    const receiver = RECEIVERS[event.to];
    if (step === undefined || receiver === undefined) return;
    const { stepId } = step;
    const runtime = parseSegment(receiver.runtime, "runtime");
    const grant = event.grant === undefined ? {} : { grant: chosenOf(ELEMENTS, event.grant) };
    const by = actor(event.by, isProcess(step.opener));
    const delivery = await guarded(() => broker.delegate(by, { stepId, runtime, uses: event.uses, ...grant }));
    if (delivery === undefined) return;
    const text = Buffer.from(delivery.svid).toString("latin1");
    const token = { text, step, uid: receiver.uid, grant: grant.grant ?? step.grant };
    tokens.push(token);
    const tries = Array.from({ length: event.tries }, (_, index) => open({ ...HANDED_OVER, step: index }, token));
    const refusals = (await Promise.allSettled(tries)).flatMap((one) =>
      one.status === "rejected" ? [one.reason] : [],
    );
    const fault = refusals.find((one) => !(one instanceof BrokerError)) ?? refusals[0];
    if (fault !== undefined) throw fault;
  }

  /** @param token - of the newest few: older ones have expired. */
  async function open(
    event: Extract<Event, { kind: "open" }>,
    token: DelegationToken | undefined = at(tokens.slice(-3), event.token),
  ): Promise<void> {
    const parent = token?.step ?? at(steps(), event.under);
    // By a token, mostly what the token is good for.
    const isApt = token !== undefined && event.by % 4 !== 0;
    const agent = isApt ? 1 : event.agent % 2;
    const among = isApt && !event.allowPartial ? token.grant : ELEMENTS;
    const by = actor(event.by, openers(agent, parent, token));
    const now = secondsOf(clock.now());
    // Runs of the opener's own, and one that all want.
    const run = event.run === 2 ? "shared" : `${by.uid}-${event.run}`;
    await guarded(() =>
      broker.open(by, {
        runId: parent === undefined || event.run === 0 ? parseSegment(`run-${run}`, "run_id") : parent.runId,
        step: parseSegment(`step-${event.step}`, "step"),
        agent: parseSegment(`agent-${agent}`, "agent"),
        grant: chosenOf(among, event.grant),
        audiences: chosenOf(MORE_AUDIENCES, event.audiences),
        executor: executorOf(event.executor, by, agent),
        allowPartial: event.allowPartial,
        ...(event.attempt === undefined ? {} : { attempt: event.attempt }),
        ...parentNamed(parent, token),
        ...(event.expiresInSeconds === undefined ? {} : { expiresAt: addSeconds(now, event.expiresInSeconds) }),
        ...(event.leaseSeconds === undefined ? {} : { leaseSeconds: event.leaseSeconds }),
        ...(event.requestId === undefined ? {} : { requestId: `request-${event.requestId}` }),
      }),
    );
  }

  async function issue(event: Extract<Event, { kind: "issue" }>): Promise<void> {
    const step = at(steps(), event.step);
    if (step === undefined) return;
    const { executor } = step;
    const by = actor(event.by, executor.kind === "process" ? isProcess(executor.process) : isIn(2));
    const wanted = event.wanted.map(
      (one): SvidWanted =>
        one === "x509"
          ? { kind: "x509-svid", csr: CSR }
          : { kind: "jwt-svid", audiences: [AUDIENCES[one] ?? IDENTITY] },
    );
    const answers = await guarded(() => broker.issue(by, { stepId: step.stepId, wanted }));
    for (const answer of answers ?? []) {
      if (isDenial(answer)) continue;
      const { certificate } = answer.authority;
      delivered.push({
        delivery: answer,
        to: by,
        ca: certificate === undefined ? undefined : readCertificate(certificate).subject,
      });
    }
  }

  async function revoke({ what, which }: Extract<Event, { kind: "revoke" }>): Promise<void> {
    const step = at(steps(), which);
    const record = at([...model.credentials.values()], which)?.record;
    if (what === "agent") {
      await broker.registry.disable(`agent/agent-${which % 2}`, OPERATOR);
    } else if (what === "credential" && record !== undefined) {
      const { jti, serialNumber = "" } = record;
      await broker.revoke(jti === undefined ? { kind: "serialNumber", serialNumber } : { kind: "jti", jti });
    } else if (what === "process") {
      await broker.revoke({ kind: "process", process: chosen(processes, which).process });
    } else if (step !== undefined) {
      await broker.revoke(what === "run" ? { kind: "run", runId: step.runId } : { kind: "step", stepId: step.stepId });
    }
  }

  /** While nothing may be issued, whatever begins to be opened or issued must be refused. */
  async function guarded<Value>(work: () => Promise<Value>): Promise<Value | undefined> {
    const isSuspended = isSteady && broker.isSuspended();
    const value = await work();
    if (isSuspended) throw new Error("broken: nothing is opened or issued while that is suspended");
    return value;
  }

  async function happen(event: Event): Promise<void> {
    switch (event.kind) {
      case "open":
        return open(event);
      case "issue":
        return issue(event);
      case "delegate":
        return delegate(event);
      case "close": {
        const step = at(steps(), event.step);
        if (step === undefined) return;
        const { stepId } = step;
        const outcome = OUTCOMES[event.outcome] ?? "COMPLETED";
        await broker.close(actor(event.by, isProcess(step.opener)), { stepId, outcome, awaitReceiptsMs: 0 });
        return;
      }
      case "revoke":
        return revoke(event);
      case "renew":
      case "hold": {
        const step = at(steps(), event.step);
        if (step === undefined) return;
        const by = actor(event.by, isProcess(step.opener));
        if (event.kind === "renew") await broker.renew(by, step.stepId);
        else {
          const { access, release } = await broker.hold(by, step.stepId);
          if (access.asOpener) holds.set(release, step.stepId);
        }
        return;
      }
      case "release": {
        const release = at([...holds.keys()], event.hold);
        if (release === undefined) return;
        holds.delete(release);
        return release();
      }
      case "start":
        return void processes.push(kernel.start(USERS[event.user] ?? 1));
      case "kill":
        return kernel.kill(chosen(processes, event.process));
      case "advance":
        return clock.advance(event.ms);
      case "update": {
        const agent = event.agent % 2;
        const content = parseEntryContent(agentContent(agent, event.ceiling));
        const updating = broker.registry.update(`agent/agent-${agent}`, content, 0, OPERATOR);
        await updating.catch((thrown: unknown) => {
          isChangePending ||= thrown instanceof BrokerError && thrown.code === "LEDGER_UNAVAILABLE";
          throw thrown;
        });
        return;
      }
      case "risk": {
        const step = at(steps(), event.scope);
        const scopes = step === undefined ? (["domain"] as const) : riskScopesOf(step.agent, factScopesOf(step));
        const scope = chosen(scopes, event.scope);
        const now = clock.now();
        const expiresAt = addSeconds(secondsOf(now), event.seconds);
        const of = { scope, level: event.level, expiresAt, reason: "simulated", by: OPERATOR, now } as const;
        await life.ground.store.ledger.perform({ act: "set-risk", ...of });
        return;
      }
      case "policies": {
        const of = { by: OPERATOR, now: clock.now() } as const;
        const { ledger } = life.ground.store;
        const rules = at(POLICIES, event.set);
        if (rules === undefined) {
          await ledger.perform({ act: "activate-policy-set", version: 0, reason: "simulated", ...of });
          return;
        }
        const put = { act: "put-policy-set", set: policySetOf(rules), origin: "api", ...of } as const;
        await ledger.perform({ ...put, activates: { reason: "simulated" } });
        return;
      }
      case "disable":
      case "enable":
        await broker.registry[event.kind](NAMED[event.entry] ?? NAMED[0], OPERATOR);
        return;
      case "wall":
        return clock.stepWall(clock.skewSeconds() === 0 ? event.seconds : -clock.skewSeconds());
      case "ledger":
        faults.isLedgerUnavailable = event.isUnavailable;
        return;
      case "signer":
        faults.isSignerUnavailable = event.isUnavailable;
        return;
      case "follower":
        faults.failingFollower = event.failing === undefined ? undefined : FOLLOWERS[event.failing];
        return;
      case "replicate":
        return replica.catchUp();
      case "watch":
        return isUp ? chosen(watchers, event.watcher).watch(broker, life.ground) : undefined;
      case "leave":
        return chosen(watchers, event.watcher).leave();
      case "restart":
        restarting = restarting.then(restart);
        return restarting;
      case "accept-restore":
        await broker.acceptRestore();
        return;
    }
  }

  return {
    ground,
    model,
    delivered,
    signatures,
    watchers,
    faults,
    get isChangePending() {
      return isChangePending;
    },
    holds,
    failures,
    isAlive: (pid) => processes.some((one) => one.process.pid === pid && kernel.isAlive(one)),
    async run(round) {
      const { killed } = life;
      isSteady = !round.some(({ kind }) => kind === "wall" || kind === "accept-restore" || kind === "restart");
      const outcomes = await answered(Promise.allSettled(round.map((event) => Promise.race([happen(event), killed]))));
      for (const outcome of outcomes) {
        if (outcome.status === "fulfilled") continue;
        // A refusal is an answer, and who asks of a broker that is killed gets none.
        if (!(outcome.reason instanceof BrokerError || outcome.reason instanceof Killed)) throw outcome.reason;
      }
      await restarting;
      await rest();
    },
    async pass(seconds) {
      for (let second = 0; second < seconds; second += 1) {
        clock.advance(1_000);
        await rest();
      }
    },
    async replicas() {
      const fresh = await openReplica({ ...store, clock, failed: ground.failed });
      replica.catchUp();
      await rest();
      for (let left = 100; left > 0; left -= 1) await turn();
      const own = { ...broker, authorities: { all: broker.authorities.history } };
      const dumps = [dumpOf(own, denied, clock), replica.dump(), fresh.dump()];
      fresh.end();
      return dumps;
    },
    isJudged: () => isUp && !broker.reassessment.isAtWork(),
    isFeedInForce: () => broker.notifier.following.refusal() === undefined,
    async end() {
      life.kill();
      broker.stop();
      replica.end();
      await store.close();
    },
  };
}

/** All that is under way comes as far as it can: nothing here takes longer than turns within one of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The digest of what was signed of a credential that left. */
export function signedDigest({ kind, svid }: Delivery): string {
  if (kind === "x509-svid") return sha256Hex(readCertificate(svid).toBeSigned);
  const text = Buffer.from(svid).toString();
  return sha256Hex(text.slice(0, text.lastIndexOf(".")));
}

function at<Value>(list: readonly Value[], which: number | undefined): Value | undefined {
  return which === undefined ? undefined : list[which % Math.max(1, list.length)];
}

function chosen<Value>(list: readonly Value[], which: number): Value {
  const value = at(list, which);
  if (value === undefined) throw new TypeError("nothing to choose from");
  return value;
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
