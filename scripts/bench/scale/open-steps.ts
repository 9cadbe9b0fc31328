import { systemClock } from "../../../src/adapters/system/system-clock.ts";
import { keepLifetimes } from "../../../src/close/lifetimes.ts";
import { keepStepDirectory } from "../../../src/follow/step-directory.ts";
import { createFollowers } from "../../../src/ledger/followers.ts";
import type { Committed } from "../../../src/ports/following.ts";
import { bytesHeld, cpuOf, cpuOfAsync } from "./held.ts";
import { START, sampleStep } from "./samples.ts";

/** Events of one commit at full load. */
const EVENTS_PER_COMMIT = 32;
const LOOKED_FOR_ONE_IN = 10;

/**
 * What so many open steps take of a broker's main thread: the directory of steps, and what ends each in time.
 *
 * @param stepsPerProcess - how many of them one process has opened and executes.
 */
export async function measureOpenSteps(count: number, stepsPerProcess: number) {
  let sequence = 0;
  const head = () => ({ epoch: "epoch", sequence, rootHash: new Uint8Array(32) });
  const failed = (error: unknown): never => {
    throw error;
  };
  const none = async <Value>(value: Value) => ({ value, through: 0 });
  const clock = systemClock();
  const followers = createFollowers({ head: () => sequence, clock, failed, read: async () => [] });
  const projections = {
    openSteps: () => none([]),
    stepProcesses: () => none({ openers: [], enrolled: [] }),
  };
  // A pidfd each is the kernel's, and polled by one descriptor.
  const processes = { watch: () => () => undefined };
  const kinship = {
    lineageOf: () => ({ kind: "lineage" as const, chain: [] }),
    placeOf: () => undefined,
    alive: () => [],
  };
  const nothing = () => Promise.reject(new Error("is not read"));
  const steps = { step: nothing, runOwner: nothing, standingAttempts: nothing, world: nothing };
  const ledger = { follow: followers.follow, head, perform: nothing as never };

  const before = bytesHeld();
  const directory = await keepStepDirectory({ ledger, projections, steps, processes, kinship, failed });
  const lifetimes = await keepLifetimes({ ledger, projections, processes, clock, failed });
  const ids: string[] = [];

  function commit(events: readonly Committed["event"][]): number {
    const committed = events.map((event) => ({ sequence: ++sequence, event }));
    return cpuOf(() => followers.committed(committed)).micros;
  }

  let openMicros = 0;
  for (let number = 0; number < count; number += EVENTS_PER_COMMIT) {
    const opened = Array.from({ length: Math.min(EVENTS_PER_COMMIT, count - number) }, (_, offset) =>
      sampleStep(number + offset, stepsPerProcess),
    );
    for (const { stepId } of opened) ids.push(stepId);
    openMicros += commit(
      opened.map((step) => ({ type: "step.opened", v: 1, at: START, step, decidedOn: [] }) as never),
    );
    // Followers that read would be a turn behind.
    if (directory.following.position() !== sequence) throw new Error("the directory is behind");
  }
  const held = bytesHeld() - before - ids.length * 8;
  const lookedFor = ids.filter((_, number) => number % LOOKED_FOR_ONE_IN === 0);
  const found = await cpuOfAsync(async () => {
    for (const stepId of lookedFor) await directory.byId(stepId);
  });
  const CLOSED = Math.min(count, 50_000);
  let closeMicros = 0;
  for (let number = 0; number < CLOSED; number += EVENTS_PER_COMMIT) {
    const closed = ids.slice(number, Math.min(number + EVENTS_PER_COMMIT, CLOSED));
    closeMicros += commit(closed.map(closedEvent));
  }
  lifetimes.stop();
  directory.following.end();
  return {
    openStepBytes: held / count,
    openStepTakeMicros: openMicros / count,
    openStepFindMicros: found / lookedFor.length,
    openStepDropMicros: closeMicros / CLOSED,
  };
}

function closedEvent(stepId: string): Committed["event"] {
  const by = { kind: "broker", cause: "expiry" } as const;
  const rest = { state: "COMPLETED", reason: "cessationOfOperation", count: 1, by } as const;
  return { type: "step.closed", v: 1, at: START, stepId, ...rest } as Committed["event"];
}
