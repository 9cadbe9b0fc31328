import { createFeedStream } from "../../src/close/feed-stream.ts";
import type { FeedMessageFacts } from "../../src/domain/feed-message.ts";
import type { UnixMicros, UnixSeconds } from "../../src/domain/time.ts";
import { createAgenda, createRandom, exponential } from "./agenda.ts";
import type { CostValues } from "./costs.ts";

/** What the stream on NATS is given in the time that was measured. */
export type BusSeen = {
  readonly messagesPerSecond: number;
  /** From one whole deny-list to the next. */
  readonly cycleSeconds: number;
  /** Denials in whole deny-lists for each that is new. */
  readonly amplification: number;
  /** Of the time, how much a whole deny-list is being told. */
  readonly wholeShare: number;
};

const DENIAL_BYTES = 1;

/**
 * The stream of the bus, which tells one message after the other, at a steady rate of closes and with a deny-list of a steady length: the real
 * one, on virtual time, on a bus that takes as long for each message.
 */
export async function simulateBus(
  run: { readonly closesPerSecond: number; readonly denials: number; readonly seconds: number; readonly seed: number },
  costs: Pick<CostValues, "busMessage">,
): Promise<BusSeen> {
  const agenda = createAgenda();
  const random = createRandom(run.seed);
  const counted = { messages: 0, wholes: 0, whole: 0, fresh: 0, wholeMessages: 0 };
  let place = 0;
  let first: number | undefined;
  let list = Array.from({ length: run.denials }, (_, at) => kept(at - run.denials + 1));
  let sequence = 0;

  let ended = (): void => undefined;
  function end(): void {
    sequence += 1;
    list.push(kept(sequence));
    ended();
    agenda.after(exponential(1 / run.closesPerSecond, random), end);
  }

  /** As much as was denied since is not in the list any more. */
  function listNow() {
    // All are moved by it, so not each time.
    if (list.length > LONGER * run.denials) list = list.slice(-run.denials);
    return { denials: list, through: sequence };
  }

  function count(facts: FeedMessageFacts): void {
    counted.messages += 1;
    if (facts.kind === "denied") counted.fresh += facts.denials.length / DENIAL_BYTES;
    if (facts.kind !== "snapshot") return;
    counted.whole += facts.denials.length / DENIAL_BYTES;
    counted.wholeMessages += 1;
    if (facts.part === 1) counted.wholes += 1;
  }

  const stream = createFeedStream({
    ledger: { head: () => ({ epoch: "epoch", sequence, rootHash: new Uint8Array() }) },
    denyList: { ready: () => Promise.resolve(), list: listNow },
    bus: {
      append: (_, __, last) =>
        new Promise((resolve) => {
          agenda.after(costs.busMessage / 1_000, () => {
            place = last + 1;
            first ??= place;
            resolve(place);
            agenda.settle();
          });
        }),
      places: () => Promise.resolve({ first, last: place }),
      read: () => Promise.resolve(undefined),
      dropBefore: (before) => {
        first = before;
        return Promise.resolve();
      },
      tell: () => undefined,
      close: () => Promise.resolve(),
    },
    authorities: { all: () => [] },
    clock: { now: () => 0 as UnixMicros },
    issuer: "https://stint.example.org:8443",
    sign: (facts) => {
      count(facts);
      return Promise.resolve("");
    },
    rolledBack: () => undefined,
  });

  let isOver = false;
  async function tell(): Promise<void> {
    while (!isOver) {
      const before = counted.messages;
      await stream.tellNew();
      if (counted.messages > before) continue;
      // Nothing was denied: the next denial is waited for.
      await new Promise<void>((resolve) => {
        ended = () => {
          resolve();
          agenda.settle();
        };
      });
    }
  }
  end();
  void tell();
  await new Promise<void>((resolve) => void setImmediate(resolve));
  await agenda.run(WARM_UP_SECONDS);
  for (const name of Object.keys(counted) as (keyof typeof counted)[]) counted[name] = 0;
  await agenda.run(WARM_UP_SECONDS + run.seconds);
  isOver = true;
  return {
    messagesPerSecond: counted.messages / run.seconds,
    cycleSeconds: run.seconds / counted.wholes,
    amplification: counted.whole / counted.fresh,
    wholeShare: (counted.wholeMessages * (costs.busMessage / 1_000)) / run.seconds,
  };
}

/** The first deny-list is told by then. */
const WARM_UP_SECONDS = 10;
const LONGER = 1.02;
const FORM = new Uint8Array(DENIAL_BYTES);

function kept(sequence: number) {
  return {
    ...{ sequence, form: FORM, latestExpiry: 0 as UnixSeconds },
    ...{ audiences: [], concernsAll: false, runEntryId: "entry" },
  };
}
