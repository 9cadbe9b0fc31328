import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type DenialsInForce, keepDenialsInForce } from "../../src/close/denials-in-force.ts";
import { createNotifier, type FeedBatch, type Notifier } from "../../src/close/notify.ts";
import { beginWatch, type Cursor } from "../../src/close/watch.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { forgetAfter } from "../../src/domain/revocation.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import type { DenyEntry, FeedReads } from "../../src/ports/ledger-reads.ts";
import { ports, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";

let world: World;
let notifier: Notifier;
let denyList: DenialsInForce<DenyEntry>;
/** How often the deny-list was read, and what each part of it waits for. */
let reads: number;
let beforePart: () => Promise<unknown>;
let formOf: (entry: DenyEntry) => DenyEntry;
const failures: unknown[] = [];
const failed = (error: unknown) => void failures.push(error);

async function begin(): Promise<void> {
  const given = ports();
  world = worldOf(await openMemoryLedger({ ...given, failed }), given);
  const { ledger, clock, store } = world;
  reads = 0;
  beforePart = () => Promise.resolve();
  formOf = (entry) => entry;
  const feed: Pick<FeedReads, "inForce"> = {
    async *inForce(now) {
      reads += 1;
      await beforePart();
      for await (const part of store.feed.inForce(now)) {
        yield part;
        await beforePart();
      }
    },
  };
  notifier = createNotifier({ ledger, feed: store.feed, failed });
  denyList = keepDenialsInForce({ ledger, feed, notifier, clock, formOf: (entry) => formOf(entry) });
}

async function end(): Promise<void> {
  notifier.close();
  await world.store.close();
}

beforeEach(begin);
afterEach(async () => {
  await end();
  expect(failures.splice(0)).toEqual([]);
});

async function closeOne(lifeSeconds = 100): Promise<string> {
  const step = await world.open(await world.agent());
  await world.issue(step, { expiresAt: addSeconds(secondsOf(world.clock.now()), lifeSeconds) });
  await world.close(step);
  return step.stepId;
}

const idOf = ({ subject }: DenyEntry) => (subject.kind === "step" ? subject.stepId : "");
const kept = () => (denyList.list()?.denials ?? []).map(({ form }) => idOf(form));

/** A watcher: what it was told, and where it stands. */
function watcher() {
  const held = new Map<string, DenyEntry>();
  let cursor: Cursor | undefined;
  let stop = (): void => undefined;
  const take = ({ entries, through }: FeedBatch) => {
    for (const entry of entries) held.set(idOf(entry), entry);
    cursor = { epoch: world.ledger.head().epoch, sequence: through };
  };
  return {
    held,
    async join(): Promise<void> {
      const { ledger } = world;
      const watch = await beginWatch(cursor, take, { ledger, notifier, denyList });
      const { beginning } = watch;
      take({ entries: beginning.denials.map(({ form }) => form), through: beginning.through });
      stop = watch.end;
      watch.go();
    },
    leave(): void {
      stop();
    },
  };
}

// Goal: whatever order closes and joins come in, what a watcher holds after what it began with and all that it was delivered is
// the ledger's deny-list.
// Method: fast-check draws closes (of a step, or of a tree that the notifier tells in parts), watchers that come, leave and come
// again by their cursors, time, and how far others come in between; the ledger's own tables say what must be held.
test("a watcher holds what the ledger denies, in whatever order it joins and steps are closed", {
  timeout: 60_000,
}, async () => {
  const act = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("close" as const), seconds: fc.integer({ min: 20, max: 120 }) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("close-tree" as const) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("join" as const), who: fc.nat(2) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("leave" as const), who: fc.nat(2) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("pass" as const), seconds: fc.integer({ min: 1, max: 90 }) }),
    },
  );
  const schedule = fc.array(fc.tuple(act, fc.nat(3)), { maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(schedule, fc.nat(3), async (acts, readTurns) => {
      await end();
      await begin();
      beforePart = () => turns(readTurns);
      const watchers = [watcher(), watcher(), watcher()];
      const joined = new Map<number, Promise<void>>();
      const under: Promise<unknown>[] = [];
      for (const [one, between] of acts) {
        const who = "who" in one ? one.who : 0;
        if (one.kind === "close") under.push(closeOne(one.seconds));
        if (one.kind === "close-tree") under.push(closeTree());
        if (one.kind === "join" && !joined.has(who)) joined.set(who, watchers[who]?.join() ?? Promise.resolve());
        if (one.kind === "leave") {
          await joined.get(who);
          watchers[who]?.leave();
          joined.delete(who);
        }
        if (one.kind === "pass") world.clock.advance(one.seconds * 1_000);
        await turns(between);
      }
      await Promise.all([...under, ...joined.values()]);
      await notifier.caughtUp();
      const now = secondsOf(world.clock.now());
      const denied: string[] = [];
      for await (const part of world.store.feed.inForce(now)) denied.push(...part.map(idOf));
      for (const who of joined.keys()) {
        const held = [...(watchers[who]?.held.values() ?? [])].filter((entry) => forgetAfter(entry.latestExpiry) > now);
        expect(held.map(idOf).toSorted()).toEqual(denied.toSorted());
      }
    }),
    { numRuns: 60 },
  );
});

/** More denials of one event than the notifier tells in one part. */
async function closeTree(): Promise<void> {
  const agent = await world.agent();
  const root = await world.open(agent);
  const children = Array.from({ length: 250 }, async () =>
    world.issue(await world.openChild(agent, root, { executor: { kind: "any" } }, { openStepsMax: 2_000 })),
  );
  await Promise.all(children);
  await world.close(root);
}

test("the deny-list is read once for all who ask, and then kept: what is denied later is at its end", async () => {
  const before = await closeOne();
  await notifier.caughtUp();
  await Promise.all([denyList.ready(), denyList.ready()]);
  const list = denyList.list();
  expect(kept()).toEqual([before]);
  const after = await closeOne();
  await notifier.caughtUp();
  await denyList.ready();
  expect(kept()).toEqual([before, after]);
  expect(denyList.list()?.denials).toBe(list?.denials);
  expect(denyList.list()?.through).toBe(denyList.list()?.denials.at(-1)?.sequence);
  expect(reads).toBe(1);
});

test("what may be forgotten is kept for a minute more at most, and nothing is dropped before", async () => {
  await denyList.ready();
  const [early, late] = [await closeOne(100), await closeOne(300)];
  await notifier.caughtUp();
  const keptSeconds = 100 + LIMITS.verifierLeewaySeconds + LIMITS.clockSkewSecondsMax;
  world.clock.advance((keptSeconds - 1) * 1_000);
  await denyList.ready();
  expect(kept()).toEqual([early, late]);
  world.clock.advance(61_000);
  await denyList.ready();
  expect(kept()).toEqual([late]);
  expect(reads).toBe(1);
});

test("a deny-list that can't be read is refused to those who wait, and read anew for the next", async () => {
  const closed = await closeOne();
  beforePart = () => Promise.reject(new Error("disk"));
  const waiting = [denyList.ready(), denyList.ready()];
  for (const one of waiting) await expect(one).rejects.toThrow("disk");
  expect(denyList.list()).toBeUndefined();
  beforePart = () => Promise.resolve();
  await denyList.ready();
  expect(kept()).toEqual([closed]);
});

test("a deny-list that could not take a denial is not told as the whole: it is read anew", async () => {
  await denyList.ready();
  formOf = () => {
    throw new Error("no form");
  };
  const closed = await closeOne();
  await notifier.caughtUp();
  expect(failures.splice(0)).toEqual([expect.objectContaining({ message: "no form" })]);
  expect(denyList.list()).toBeUndefined();
  formOf = (entry) => entry;
  await denyList.ready();
  expect(kept()).toEqual([closed]);
});

async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left -= 1) await new Promise((resolve) => setImmediate(resolve));
}
