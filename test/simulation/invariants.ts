import { isDeepStrictEqual } from "node:util";
import { readCertificate } from "../../src/domain/certificate.ts";
import { sha256Hex } from "../../src/domain/digest.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import { type ProcessIdentity, sameProcess } from "../../src/domain/process.ts";
import { riskScopesOf } from "../../src/domain/risk.ts";
import type { Delivery } from "../../src/domain/stages.ts";
import { isClosed } from "../../src/domain/step.ts";
import { microsOf } from "../../src/domain/time.ts";
import type { StandingAttempt } from "../../src/ports/ledger-reads.ts";
import { checkCalls, checkCallsInTheEnd } from "./call-invariants.ts";
import { checkCheckpoints, checkCheckpointsInTheEnd } from "./checkpoint-invariants.ts";
import { checkClosures, checkClosuresInTheEnd } from "./closure-invariants.ts";
import { promise } from "./model-history.ts";
import { checkProofsInTheEnd } from "./retention-invariants.ts";
import { checkStreams, checkStreamsInTheEnd } from "./stream-invariants.ts";
import { FollowerFault, KeyFault } from "./unsteady.ts";
import { checkUsage, checkUsageInTheEnd } from "./usage-invariants.ts";
import type { World } from "./world.ts";

/** Until then a verifier may accept what has expired: leeway and skew. */
const FORGET_AFTER_MS = 10_000;
const ALL = 10_000;

/** Keys that are new are made when the ledger can be written. */
const EXPECTED: ReadonlySet<string> = new Set(["LEDGER_UNAVAILABLE", "NOT_SERVING", "AUTHORITY_UNAVAILABLE"]);

/** What holds at any moment of rest. The model has held each event against the rest of the promises already. */
export async function checkAtRest(world: World): Promise<void> {
  const { model, failures } = world;
  await checkTables(world);
  await checkRuns(world);
  if (!world.isChangePending) model.checkPermitted();
  if (world.isJudged()) model.checkJudged(world.clock.now());
  checkPrincipals(world);
  checkCalls(world);
  await checkUsage(world);
  checkApprovals(world);
  checkSignatures(world);
  checkDelivered(world);
  await checkWatchers(world);
  checkClosures(world);
  await checkCheckpoints(world);
  checkStreams(world);
  promise(failures.every(isExpected), `nothing fails in the background: ${failures.join(", ")}`);
}

/** What holds besides once the ledger has been writable, and the broker alive, for longer than any grace. */
export async function checkInTheEnd(world: World): Promise<void> {
  const { ground, model, holds, faults } = world;
  faults.isLedgerUnavailable = false;
  faults.failingFollower = undefined;
  faults.checkpoints = undefined;
  faults.engine = "well";
  await world.pass(2);
  const now = ground.clock.now();
  for (const { step, state, leaseExpiresAt } of model.steps.values()) {
    if (isClosed(state)) continue;
    promise(microsOf(step.expiresAt) > now, "an open step has not expired, nor one that waits");
    promise(leaseExpiresAt === undefined || leaseExpiresAt > now, "nor has its lease");
    const { executor } = step;
    promise(executor.kind === "any" || world.isAlive(executor.process.pid), "nor is its executor gone");
  }
  await world.pass(31);
  for (const { step, state, held } of model.steps.values()) {
    const isHeld = [...holds.values()].includes(step.stepId);
    promise(state !== "OPEN" || !held || isHeld, "a step once held is open only while it is held");
  }
  await checkAtRest(world);
  await checkCallsInTheEnd(world);
  await checkUsageInTheEnd(world);
  const [own, ...others] = await world.replicas();
  for (const other of others) {
    promise(other === own, `whoever follows the ledger has the same, byte for byte: ${difference(own ?? "", other)}`);
  }
  const finding = await ground.store.verifyAll();
  promise(finding.kind === "intact", "replaying the events gives the tables, and the tree its root");
  await checkProofsInTheEnd(world);
  await checkClosuresInTheEnd(world);
  await checkCheckpointsInTheEnd(world);
  await checkStreamsInTheEnd(world);
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
async function checkRuns({ ground, model, broker, isUp }: World): Promise<void> {
  if (!isUp) return;
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
function checkApprovals({ model, processes }: World): void {
  const uidOf = (of: ProcessIdentity) => processes.find(({ process }) => sameProcess(process, of))?.uid;
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
async function checkWatchers({ clock, watchers, delivered, model, broker }: World): Promise<void> {
  const now = clock.now();
  for (const watcher of watchers) watcher.forget(now / 1_000);
  for (const { delivery, ca } of delivered) {
    const credential = model.credentials.get(delivery.issuanceId);
    if (credential === undefined) continue;
    const { record } = credential;
    const isOver = microsOf(record.expiresAt) + FORGET_AFTER_MS * 1_000 <= now;
    for (const watcher of watchers) {
      const isDenied = watcher.denies(record, ca);
      // One that has just expired is refused with its step: a verifier whose clock is behind may accept it still.
      const isEnded = credential.revoked !== undefined || model.steps.get(credential.stepId)?.state !== "OPEN";
      promise(!isDenied || isEnded, "nothing is refused that was not taken back");
      // A broker whose feed is behind leaves pings unanswered, so that its verifiers refuse everything.
      const isFresh = watcher.isConnected && broker.notifier.following.refusal() === undefined;
      const mustDeny = isEnded && !isOver && isFresh && watcher.isConcernedBy(record);
      promise(isDenied || !mustDeny, "what was taken back is refused by every verifier that it concerns");
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
