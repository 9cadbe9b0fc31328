import { createGroupQueue } from "../../src/adapters/ledger-sqlite/group-queue.ts";
import { keepDenialsInForce } from "../../src/close/denials-in-force.ts";
import type { FeedBatch } from "../../src/close/notify.ts";
import { forgetAfter } from "../../src/domain/revocation.ts";
import {
  addMicros,
  addSeconds,
  microsOf,
  secondsOf,
  type UnixMicros,
  type UnixSeconds,
} from "../../src/domain/time.ts";
import type { LedgerAct } from "../../src/ports/ledger-acts.ts";
import type { DenyEntry } from "../../src/ports/ledger-reads.ts";
import { createDenyList, stepKey } from "../../src/sdk/verifier/deny-list.ts";
import { createAgenda, createRandom, createServer, exponential } from "./agenda.ts";
import type { CostValues } from "./costs.ts";
import { type Load, RENEWED_AT, stepSeconds, VERIFIER_SWEEP_SECONDS } from "./load.ts";
import { BEFORE_SHARE, OPENING_SHARE } from "./model.ts";

/** What became of a broker in the time that was measured. */
export type BrokerSeen = {
  readonly mainUtilisation: number;
  readonly ledgerUtilisation: number;
  readonly actsPerCommit: number;
  readonly commitsPerSecond: number;
  readonly eventsPerStep: number;
  readonly credentialsPerStep: number;
  readonly ledgerBytesPerSecond: number;
  /** On the average. */
  readonly openSteps: number;
  /** At most, at the broker and at a verifier that is told of all of them. */
  readonly brokerDenials: number;
  readonly verifierDenials: number;
  /** From a call for a JWT-SVID to its answer, milliseconds. */
  readonly issueMeanMs: number;
  readonly issueP99Ms: number;
};

export type BrokerRun = {
  /** Of this broker alone. */
  readonly load: Load;
  readonly costs: CostValues;
  /** Until the deny-list is as long as it becomes. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly seed: number;
};

const SECOND = 1_000_000;

type ActKind = "open-step" | "record-issuances" | "hold-step" | "close";
type OpenStep = { readonly number: number; newestExpiry: number; isOver: boolean };

/**
 * One broker as a network of queues on virtual time: calls wait for its event loop, then for the ledger's thread, which commits what has
 * gathered, then for the event loop again. The group queue, the deny-list that is told and a verifier's deny-list are the real ones.
 */
export async function simulateBroker({ load, costs, warmUpSeconds, seconds, seed }: BrokerRun): Promise<BrokerSeen> {
  const agenda = createAgenda();
  const random = createRandom(seed);
  const main = createServer(agenda);
  const counted = { acts: 0, commits: 0, events: 0, steps: 0, credentials: 0, ledgerSeconds: 0 };
  const issueMs: number[] = [];
  let open = 0;
  let [openAtLooks, looks] = [0, 0];
  let sequence = 0;
  const mean = stepSeconds(load);
  const renewedAfter = RENEWED_AT * load.ttlSeconds;

  const actSeconds: Readonly<Record<ActKind, number>> = {
    "open-step": ((costs.ledgerOpenClose - costs.ledgerIssue) * OPENING_SHARE) / SECOND,
    "record-issuances": costs.ledgerIssue / SECOND,
    "hold-step": costs.ledgerHold / SECOND,
    close: ((costs.ledgerOpenClose - costs.ledgerIssue) * (1 - OPENING_SHARE)) / SECOND,
  };
  const queue = createGroupQueue((acts) => {
    const took = acts.reduce((sum, { act }) => sum + actSeconds[act as ActKind], costs.fsync / 1_000);
    counted.commits += 1;
    counted.acts += acts.length;
    counted.ledgerSeconds += took;
    return new Promise((resolve) => {
      agenda.after(took, () => {
        resolve(acts.map(() => ({ kind: "done", result: undefined as never })));
        agenda.settle();
      });
    });
  });

  /** One call: the event loop, the ledger, the event loop. */
  function call(micros: number, acts: readonly ActKind[], events: number, done: () => void): void {
    main.serve((micros * BEFORE_SHARE) / SECOND, () => {
      const recorded = acts.map((act) => queue.perform({ act, items: [{}] } as unknown as LedgerAct as never));
      agenda.settle();
      void Promise.all(recorded).then(() => {
        counted.events += events;
        main.serve((micros * (1 - BEFORE_SHARE)) / SECOND, done);
      });
    });
  }

  const denials = await keepDenials(agenda.now);

  function renewLater(step: OpenStep, afterSeconds: number): void {
    agenda.after(afterSeconds, () => {
      if (step.isOver) return;
      const askedAt = agenda.now();
      step.newestExpiry = askedAt + load.ttlSeconds;
      renewLater(step, renewedAfter);
      call(costs.mainIssue, ["record-issuances"], 1, () => {
        counted.credentials += 1;
        issueMs.push((agenda.now() - askedAt) * 1_000);
      });
    });
  }

  function endLater(step: OpenStep): void {
    agenda.after(exponential(mean, random), () => {
      step.isOver = true;
      call(costs.mainOpenClose * (1 - OPENING_SHARE), ["close"], 1, () => {
        open -= 1;
        sequence += 1;
        denials.deny(sequence, step.number, step.newestExpiry);
      });
    });
  }

  let steps = 0;
  function arrive(): void {
    agenda.after(exponential(1 / load.stepsPerSecond, random), arrive);
    steps += 1;
    counted.steps += 1;
    const step: OpenStep = { number: steps, newestExpiry: agenda.now() + load.ttlSeconds, isOver: false };
    call(costs.mainOpenClose * OPENING_SHARE, ["open-step", "record-issuances"], 3, () => {
      counted.credentials += 1;
      open += 1;
      call(costs.mainHold, ["hold-step"], 1, () => undefined);
      renewLater(step, renewedAfter);
      endLater(step);
    });
  }

  // As it is after hours: what is left of an exponential time is as long as the whole, and so is what has passed of it.
  for (let there = 0; there < Math.round(load.openSteps); there += 1) {
    const sinceRenewal = exponential(mean, random) % renewedAfter;
    steps += 1;
    const step: OpenStep = { number: steps, newestExpiry: load.ttlSeconds - sinceRenewal, isOver: false };
    open += 1;
    renewLater(step, renewedAfter - sinceRenewal);
    endLater(step);
  }
  function look(): void {
    openAtLooks += open;
    looks += 1;
    denials.look();
    agenda.after(1, look);
  }

  arrive();
  await agenda.run(warmUpSeconds);
  look();
  for (const name of Object.keys(counted) as (keyof typeof counted)[]) counted[name] = 0;
  issueMs.length = 0;
  const busyBefore = main.busySeconds();
  await agenda.run(warmUpSeconds + seconds);
  issueMs.sort((a, b) => a - b);
  return {
    mainUtilisation: (main.busySeconds() - busyBefore) / seconds,
    ledgerUtilisation: counted.ledgerSeconds / seconds,
    actsPerCommit: counted.acts / counted.commits,
    commitsPerSecond: counted.commits / seconds,
    eventsPerStep: counted.events / counted.steps,
    credentialsPerStep: counted.credentials / counted.steps,
    ledgerBytesPerSecond:
      (counted.steps * (costs.stepRows + costs.holdRows) + counted.credentials * costs.credentialRows) / seconds,
    openSteps: openAtLooks / looks,
    brokerDenials: denials.most.broker,
    verifierDenials: denials.most.verifier,
    issueMeanMs: issueMs.reduce((sum, ms) => sum + ms, 0) / issueMs.length,
    issueP99Ms: issueMs[Math.floor(issueMs.length * 0.99)] ?? Number.NaN,
  };
}

/** Both ends of the feed, by virtual time: a whole second of the ledger for each second, as expiries are. */
async function keepDenials(now: () => number) {
  const nowMicros = () => addMicros(microsOf(START), Math.floor(now() * SECOND));
  let deliver = (_: FeedBatch): void => undefined;
  const told = keepDenialsInForce<number>({
    ledger: { head: () => ({ epoch: "epoch", sequence: 0, rootHash: new Uint8Array() }) },
    feed: { async *inForce() {} },
    notifier: {
      subscribe(listener) {
        deliver = listener;
        return { from: 0, unsubscribe: () => undefined };
      },
    },
    clock: { now: () => nowMicros() as UnixMicros },
    formOf: ({ sequence }) => sequence,
  });
  await told.ready();
  const held = createDenyList();
  let sweptAt = 0;
  const most = { broker: 0, verifier: 0 };

  return {
    deny(sequence: number, step: number, expiresAt: number): void {
      const latestExpiry = addSeconds(secondsOf(nowMicros()), Math.ceil(expiresAt - now()));
      deliver({ entries: [denialOf(sequence, `step_${step}`, latestExpiry)], through: sequence });
      const forgetAfterMs = forgetAfter(latestExpiry) * 1_000;
      held.add([
        { keys: [stepKey(`${step}`)], reason: "", state: undefined, sequence: BigInt(sequence), forgetAfterMs },
      ]);
      if (now() < sweptAt + VERIFIER_SWEEP_SECONDS) return;
      sweptAt = now();
      held.forget(nowMicros() / 1_000);
    },
    look(): void {
      most.broker = Math.max(most.broker, told.list()?.denials.length ?? 0);
      most.verifier = Math.max(most.verifier, held.size);
    },
    most,
  };
}

/** 2026-11-22T10:00:00Z. */
const START = 1_795_341_600 as UnixSeconds;

function denialOf(sequence: number, stepId: string, latestExpiry: UnixSeconds): DenyEntry {
  return {
    ...{ sequence, latestExpiry, reason: "cessationOfOperation", state: "COMPLETED", deniedAt: 0 as UnixMicros },
    ...{ audiences: [], concernsAll: false, runEntryId: "entry" },
    subject: { kind: "step", stepId, spiffeId: "spiffe://example.org/agent/a" as never },
  };
}
