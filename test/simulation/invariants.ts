import { isDeepStrictEqual } from "node:util";
import { readCertificate } from "../../src/domain/certificate.ts";
import { sha256Hex } from "../../src/domain/digest.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import { sameProcess } from "../../src/domain/process.ts";
import { riskScopesOf } from "../../src/domain/risk.ts";
import type { Delivery } from "../../src/domain/stages.ts";
import { isClosed } from "../../src/domain/step.ts";
import { addMicros, microsOf } from "../../src/domain/time.ts";
import type { StandingAttempt } from "../../src/ports/ledger-reads.ts";
import { checkCalls, checkCallsInTheEnd } from "./call-invariants.ts";
import { STALENESS_SECONDS } from "./cast.ts";
import { checkCheckpoints, checkCheckpointsInTheEnd } from "./checkpoint-invariants.ts";
import { checkClosures, checkClosuresInTheEnd } from "./closure-invariants.ts";
import { checkDeadInTheEnd } from "./ending-invariants.ts";
import { promise } from "./model-history.ts";
import { checkProofsInTheEnd } from "./retention-invariants.ts";
import { checkStreams, checkStreamsInTheEnd } from "./stream-invariants.ts";
import { FollowerFault, KeyFault } from "./unsteady.ts";
import { checkUsage, checkUsageInTheEnd } from "./usage-invariants.ts";
import type { Watcher } from "./watcher.ts";
import type { World } from "./world.ts";

/** Until then a verifier may accept what has expired: leeway and skew. */
const FORGET_AFTER_MS = 10_000;
const ALL = 10_000;

/** A broker that has not been told yet of the erasure, which another recorded, can't judge steps that ended with it. */
const ERASED = /whom the step works for was erased/;
/** Keys that are new are made when the ledger can be written. */
const EXPECTED: ReadonlySet<string> = new Set(["LEDGER_UNAVAILABLE", "NOT_SERVING", "AUTHORITY_UNAVAILABLE"]);

/**
 * What holds at any moment of rest. The model has held each event against the rest of the promises already.
 *
 * @param worlds - around each broker.
 */
export async function checkAtRest(worlds: readonly World[]): Promise<void> {
  for (const one of worlds) await checkSite(one);
  const world = worldOf(worlds);
  const { model, failures, flags, clock } = world;
  if (!flags.isChangePending) model.checkPermitted();
  // By clocks that differ, what lapses has not lapsed everywhere.
  if (worlds.every(isJudged) && worlds.every(({ offsetSeconds }) => offsetSeconds === 0))
    model.checkJudged(clock.now());
  checkPrincipals(world);
  checkCalls(world);
  checkApprovals(world);
  checkSignatures(world);
  checkDelivered(world);
  await checkWatchers(world, worlds);
  checkClosures(world);
  const isBehind = (error: unknown) => worlds.length > 1 && error instanceof BrokerError && ERASED.test(error.message);
  promise(
    failures.every((one) => isExpected(one) || isBehind(one)),
    `nothing fails in the background: ${failures.join(", ")}`,
  );
}

/** What holds of each broker. */
async function checkSite(world: World): Promise<void> {
  if (!world.isUp) return;
  // One that is behind has the tables of before.
  if (world.isCurrent()) {
    await checkTables(world);
    await checkUsage(world);
  }
  await checkRuns(world);
  await checkCheckpoints(world);
  checkStreams(world);
}

function worldOf([world]: readonly World[]): World {
  if (world === undefined) throw new TypeError("there is no broker");
  return world;
}

/** Whether every open step was judged on what is in force. */
function isJudged({ isUp, isCurrent, broker }: World): boolean {
  return isUp && isCurrent() && !broker.reassessment.isAtWork();
}

/** What holds besides once the ledger has been writable, and the broker alive, for longer than any grace. */
export async function checkInTheEnd(worlds: readonly World[]): Promise<void> {
  const world = worldOf(worlds);
  const { model, clock } = world;
  for (const one of worlds) await mended(one);
  await world.pass(2);
  await checkDeadInTheEnd(worlds);
  const now = clock.now();
  for (const { step, state, leaseExpiresAt } of model.steps.values()) {
    if (isClosed(state)) continue;
    promise(microsOf(step.expiresAt) > now, "an open step has not expired, nor one that waits");
    promise(leaseExpiresAt === undefined || leaseExpiresAt > now, "nor has its lease");
    const { executor } = step;
    promise(executor.kind === "any" || world.isAlive(executor.process), "nor is its executor gone");
  }
  await world.pass(31);
  const holds = worlds.flatMap((one) => [...one.holds.values()]);
  for (const { step, state, held } of model.steps.values()) {
    promise(state !== "OPEN" || !held || holds.includes(step.stepId), "a step once held is open only while it is held");
  }
  await checkAtRest(worlds);
  await checkCallsInTheEnd(world, worlds);
  await checkUsageInTheEnd(world);
  for (const one of worlds) await checkFollowers(one);
  await checkSameTables(worlds);
  await checkClosuresInTheEnd(world, worlds);
  for (const one of worlds) await checkCheckpointsInTheEnd(one);
  await checkStreamsInTheEnd(world);
}

/** Nothing is wrong any more with a broker, and what it runs on. */
async function mended(world: World): Promise<void> {
  const { faults, way, clock } = world;
  faults.isLedgerUnavailable = false;
  faults.failingFollower = undefined;
  faults.checkpoints = undefined;
  faults.engine = "well";
  if (way === undefined) return;
  Object.assign(way, { isCut: false, isDeaf: false, unknown: undefined });
  clock.stepWall(-clock.skewSeconds());
  if (world.isUp) {
    const refusal = await world.ground.store.confirmed().catch((thrown: unknown) => thrown);
    const why = world.ground.store.health().reasons.join();
    const isBehind = refusal !== undefined && why.includes("older than what was pruned");
    promise(refusal === undefined || isBehind, `a broker goes on once nothing is in its way: ${why}`);
    if (isBehind) await world.kill();
  }
  await world.begin(false);
  promise(world.isUp, "a broker starts again once nothing is in its way");
}

/** Whoever follows the ledger has the same. */
async function checkFollowers(world: World): Promise<void> {
  const [own, ...others] = await world.replicas();
  for (const other of others) {
    promise(other === own, `whoever follows the ledger has the same, byte for byte: ${difference(own ?? "", other)}`);
  }
  const finding = await world.ground.store.verifyAll();
  promise(finding.kind === "intact", "replaying the events gives the tables, and the tree its root");
  await checkProofsInTheEnd(world);
}

/** All brokers that share a log have the same tables, row by row. */
async function checkSameTables(worlds: readonly World[]): Promise<void> {
  const { model, prunedFromLog } = worldOf(worlds);
  const gone = prunedFromLog?.() ?? [...model.retention.pruned.keys()];
  const isSame = gone.length === model.retention.pruned.size && gone.every((one) => model.retention.pruned.has(one));
  promise(isSame, "the content of what is pruned is gone from the log too, and of nothing else");
  const [first, ...others] = worlds.map(({ tables }) => tables?.());
  for (const other of others) {
    for (const [table, digest] of first ?? []) {
      promise(other?.get(table) === digest, `all brokers have the same rows: ${table}`);
    }
  }
}

/** The tables say what the model says. */
async function checkTables({ ground, model }: World): Promise<void> {
  const { store, clock } = ground;
  const now = clock.now();
  const steps = await store.history.steps({ limit: ALL });
  promise(steps.length === model.steps.size, "every step is in the tables");
  for (const step of steps) {
    const known = model.steps.get(step.stepId);
    promise(step.state === known?.state, `the tables and the events agree on a step: ${step.state}, ${known?.state}`);
    promise(step.closedSequence === known.closed?.sequence, "a close is one event for all it takes along");
    promise(step.closeReason === known.closed?.reason && step.held === known.held, "and on why, and on holds");
    const { parentStepId } = step;
    const parent = parentStepId === undefined ? undefined : model.steps.get(parentStepId);
    promise(
      isClosed(step.state) || parent === undefined || parent.state === "OPEN",
      "no open step has a closed parent",
    );
  }
  const live = new Set(
    (await store.history.issuances({ state: "live", now, limit: ALL })).map((one) => one.issuanceId),
  );
  for (const credential of model.credentials.values()) {
    const isLive = model.isLive(credential, now);
    promise(live.has(credential.record.issuanceId) === isLive, "the tables and the events agree on what is live");
    const { state } = model.steps.get(credential.stepId) ?? {};
    promise(!isLive || state === "OPEN", "a live credential never belongs to a closed step");
  }
}

/** What the broker keeps of runs is what a read of the ledger would tell. */
async function checkRuns({ ground, model, broker }: World): Promise<void> {
  const { runs } = broker.stepDirectory;
  const { steps } = ground.store;
  for (const { runId, step, agent } of new Map(
    [...model.steps.values()].map((one) => [one.step.spiffeId, one.step]),
  ).values()) {
    const [scope, standing] = [
      `run:${runId}`,
      ({ stepId, attempt, state }: StandingAttempt) => ({ stepId, attempt, state }),
    ] as const;
    const told = [await runs.runOwner(runId), (await runs.standingAttempts(runId, step)).map(standing)];
    const known = [await steps.runOwner(runId), (await steps.standingAttempts(runId, step)).map(standing)];
    promise(isDeepStrictEqual(told, known), "whose run it is, and which attempts stand, is kept as the ledger has it");
    const around = [[scope], riskScopesOf(agent, [scope]), "run"] as const;
    const [kept, read] = [await runs.world(...around), await steps.world(...around)];
    promise(isDeepStrictEqual(kept, read), "and so is what surrounds its steps");
  }
}

/** Whoever was told that somebody is offboarded was told what holds. */
function checkPrincipals({ model, clock, offboarded }: World): void {
  for (const { principalId, from, through } of offboarded.splice(0)) {
    const isSo = model.principals.wasBarred(principalId, from, through);
    promise(isSo, "an offboarding that is acknowledged is on record");
  }
  model.principals.checkBarred(clock.now());
}

/** Whoever asked, by opening or to execute it, has not approved. */
function checkApprovals({ model, uidOf }: World): void {
  for (const { step, approvedBy } of model.steps.values()) {
    const { opener, executor } = step;
    const parties = [uidOf(opener), ...(executor.kind === "any" ? [] : [uidOf(executor.process)])];
    promise(approvedBy === undefined || !parties.includes(approvedBy.uid), "nobody approves what they have a part in");
    for (const { pending, answer } of model.callApprovals.values()) {
      if (pending.stepId !== step.stepId || answer?.approved !== true) continue;
      promise(!parties.includes(answer.by.uid), "nor a call of a step that they have a part in");
    }
  }
}

/** Whatever was signed had its row before. */
function checkSignatures({ signatures, model }: World): void {
  for (const { issuanceId, digest, head } of signatures) {
    const credential = model.credentials.get(issuanceId);
    promise(credential !== undefined && credential.sequence <= head, "every signature has its row, and had it before");
    promise(credential.record.toBeSignedSha256 === digest, "which names the bytes that were signed");
  }
  promise(new Set(signatures.map((one) => one.digest)).size === signatures.length, "nothing is signed twice");
}

function checkDelivered({ delivered, signatures, model }: World): void {
  const signed = new Set(signatures.map((one) => one.digest));
  for (const { delivery, to } of delivered) {
    const credential = model.credentials.get(delivery.issuanceId);
    const digest = signedDigest(delivery);
    promise(
      credential?.record.toBeSignedSha256 === digest,
      "whatever left can be found by the hash of its signed part",
    );
    promise(signed.has(digest) && !credential.undelivered, "and was neither unsigned nor given up");
    const { step } = model.steps.get(credential.stepId) ?? {};
    promise(
      step !== undefined && `agent-${to.uid - 1}` === step.agent,
      "whoever has it is a process of the step's agent",
    );
    const { executor } = step;
    promise(executor.kind === "any" || sameProcess(executor.process, to.process), "and the one that executes the step");
  }
}

/** What ended is refused by whoever is connected, and nothing else is. */
async function checkWatchers(world: World, worlds: readonly World[]): Promise<void> {
  const { clock, watchers, delivered, model, committedAt } = world;
  const now = clock.now();
  /** A broker whose feed is behind leaves pings unanswered, so that its verifiers refuse everything. */
  const isTold = (watcher: Watcher) =>
    worlds.some((one) => {
      const isOn = watcher.isConnected && watcher.broker === one.broker;
      return isOn && one.isCurrent() && one.broker.notifier.following.refusal() === undefined;
    });
  const told = new Set(watchers.filter(isTold));
  for (const watcher of watchers) watcher.forget(now / 1_000);
  for (const { delivery, ca } of delivered) {
    const credential = model.credentials.get(delivery.issuanceId);
    if (credential === undefined) continue;
    const { record } = credential;
    const closed = model.steps.get(credential.stepId)?.closed;
    const endedAt = committedAt.get((credential.revoked ?? closed)?.sequence ?? 0);
    const isOver = microsOf(record.expiresAt) + FORGET_AFTER_MS * 1_000 <= now;
    for (const watcher of watchers) {
      const isDenied = watcher.denies(record, ca);
      // One that has just expired is refused with its step: a verifier whose clock is behind may accept it still.
      const isEnded = credential.revoked !== undefined || model.steps.get(credential.stepId)?.state !== "OPEN";
      promise(!isDenied || isEnded, "nothing is refused that was not taken back");
      const mustDeny = isEnded && !isOver && told.has(watcher) && watcher.isConcernedBy(record);
      promise(isDenied || !mustDeny, "what was taken back is refused by every verifier that it concerns");
      const bound = STALENESS_SECONDS[watcher.verifier] * 1_000_000;
      const isPastBound = endedAt !== undefined && now >= addMicros(endedAt, bound);
      promise(!isPastBound || !watcher.accepts(record, ca, now), "no verifier believes for longer than its bound");
    }
  }
}

/** What a schedule brings about itself: a ledger that can't be written, a key that is gone, and a follower that is behind for a while. */
function isExpected(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.cause instanceof FollowerFault || error.cause instanceof KeyFault) return true;
  return error instanceof BrokerError && EXPECTED.has(error.code);
}

function difference(one: string, other: string): string {
  const [lines, others] = [one.split("\n"), other.split("\n")];
  const index = Array.from({ length: Math.max(lines.length, others.length) }).findIndex(
    (_, at) => lines[at] !== others[at],
  );
  return `${lines[index]}, not ${others[index]}`;
}

/** The digest of what was signed of a credential that left. */
function signedDigest({ kind, svid }: Delivery): string {
  if (kind === "x509-svid") return sha256Hex(readCertificate(svid).toBeSigned);
  const text = Buffer.from(svid).toString();
  return sha256Hex(text.slice(0, text.lastIndexOf(".")));
}
