import { beforeEach, describe, expect, test } from "vitest";
import type { UnixMicros, UnixSeconds } from "../../src/domain/time.ts";
import { createFollowers, type Followers } from "../../src/ledger/followers.ts";
import type { Committed } from "../../src/ports/following.ts";
import { type VirtualClock, virtualClock } from "../memory/virtual-clock.ts";

// Goal: each follower is given every event once and in order, from any sequence on, whatever itself, the others and the
// reads do; and what waits for a follower waits two seconds at most.

let clock: VirtualClock;
let log: Committed[];
let followers: Followers;
/** Sequences after which a page was read. */
let reads: number[];
let isReadable: boolean;
const failures: unknown[] = [];

beforeEach(() => {
  clock = virtualClock(1_795_341_600 as UnixSeconds);
  log = [];
  reads = [];
  isReadable = true;
  failures.length = 0;
  followers = createFollowers({
    head: () => log.length,
    read: async (after, limit) => {
      reads.push(after);
      if (!isReadable) throw new Error("disk");
      return log.slice(after, after + limit);
    },
    clock,
    failed: (error) => void failures.push(error),
  });
});

function append(count: number): readonly Committed[] {
  const added = Array.from({ length: count }, (_, index): Committed => {
    const sequence = log.length + index + 1;
    return { sequence, event: { type: "step.held", v: 1, at: sequence as UnixMicros, stepId: `step_${sequence}` } };
  });
  log.push(...added);
  return added;
}

/** A commit whose events are handed over, or are too many for that. */
function commit(count: number, { isHandedOver = true } = {}): void {
  const added = append(count);
  followers.committed(isHandedOver ? added : undefined);
}

/** Follows from a sequence on. `failing` is the sequences at which it throws, for as long as they are there. */
function follow(name: string, after = 0) {
  const taken: number[] = [];
  const failing = new Set<number>();
  const take = ({ sequence }: Committed) => {
    if (failing.has(sequence)) throw new Error(`${name} can't take ${sequence}`);
    taken.push(sequence);
  };
  return { taken, failing, following: followers.follow({ name, take }, after) };
}

function followAll(name: string, after = 0) {
  const taken: number[] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const takeAll = async (committed: readonly Committed[]) => {
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    await gate.promise;
    taken.push(...committed.map(({ sequence }) => sequence));
  };
  return { taken, gates, following: followers.follow({ name, takeAll }, after) };
}

const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

/** Everything that needs no time has happened. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

const statusOf = (name: string) => followers.followers().find((one) => one.name === name);

describe("a follower", () => {
  test("that keeps up has taken a commit by the time that the commit is told", () => {
    const { taken, following } = follow("steps");
    commit(3);
    expect(taken).toEqual([1, 2, 3]);
    expect(following.position()).toBe(3);
    expect(reads).toEqual([]);
  });

  test("that begins behind reads what it is missing, and then misses nothing of what is committed meanwhile", async () => {
    append(250);
    const { taken } = follow("steps", 120);
    commit(5);
    await settled();
    commit(2);
    expect(taken).toEqual(upTo(257, 121));
  });

  test("is given a commit that is too large to be handed over a page at a time, with turns in between", async () => {
    const { taken } = follow("steps");
    let turns = 0;
    commit(1_000, { isHandedOver: false });
    while (taken.length < 1_000) {
      turns += 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(taken).toEqual(upTo(1_000));
    expect(turns).toBeGreaterThanOrEqual(9);
  });

  test("that takes several events at once is given what came meanwhile once it is done", async () => {
    const { taken, gates, following } = followAll("feed");
    commit(2);
    commit(3);
    expect(gates).toHaveLength(1);
    gates[0]?.resolve();
    await settled();
    expect(following.position()).toBe(2);
    gates[1]?.resolve();
    await settled();
    expect(taken).toEqual(upTo(5));
    expect(following.position()).toBe(5);
  });

  test("that has ended is given nothing any more, be it in the middle of a commit", () => {
    const taken: number[] = [];
    const following = followers.follow(
      {
        name: "steps",
        take({ sequence }) {
          taken.push(sequence);
          if (sequence === 2) following.end();
        },
      },
      0,
    );
    commit(3);
    commit(1);
    expect(taken).toEqual([1, 2]);
    expect(followers.followers()).toEqual([]);
    expect(clock.pending()).toBe(0);
  });
});

describe("a follower that throws", () => {
  test("is given the same event again from its own position, a second later, and nothing is skipped", async () => {
    const { taken, failing, following } = follow("steps");
    failing.add(3);
    commit(2);
    commit(2);
    expect(taken).toEqual([1, 2]);
    expect(following.position()).toBe(2);
    commit(1);
    failing.clear();
    clock.advance(1_000);
    await settled();
    expect(taken).toEqual([1, 2, 3, 4, 5]);
    commit(1);
    expect(taken.at(-1)).toBe(6);
  });

  test("holds nobody else up, nor lets anybody skip", async () => {
    const [bad, good] = [follow("bad"), follow("good")];
    const slow = followAll("slow");
    bad.failing.add(1);
    commit(2);
    commit(2);
    expect(good.taken).toEqual([1, 2, 3, 4]);
    slow.gates[0]?.resolve();
    await settled();
    slow.gates[1]?.resolve();
    await settled();
    expect(slow.taken).toEqual([1, 2, 3, 4]);
    expect(bad.taken).toEqual([]);
  });

  test("is told of once for each event, and shown with where it stands until it has taken that", async () => {
    const { failing, following } = follow("steps");
    expect(statusOf("steps")).toEqual({ name: "steps", position: 0 });
    failing.add(2);
    commit(2);
    expect(following.refusal()).toMatchObject({ code: "NOT_SERVING" });
    expect(statusOf("steps")).toMatchObject({ position: 1, failure: expect.stringContaining("event 2") });
    clock.advance(1_000);
    await settled();
    clock.advance(1_000);
    await settled();
    expect(failures).toMatchObject([{ cause: { message: "steps can't take 2" } }]);
    failing.clear();
    clock.advance(1_000);
    await settled();
    expect(following.refusal()).toBeUndefined();
    expect(statusOf("steps")).toEqual({ name: "steps", position: 2 });
  });

  test("says so once when it may be relied on again", async () => {
    const states: boolean[] = [];
    let isFailing = true;
    const follower = {
      name: "entries",
      take() {
        if (isFailing) throw new Error("not yet");
      },
      recovered: () => void states.push(following.refusal() === undefined),
    };
    const following = followers.follow(follower, 0);
    commit(3);
    clock.advance(1_000);
    await settled();
    isFailing = false;
    clock.advance(1_000);
    await settled();
    commit(1);
    expect(states).toEqual([true]);
  });

  test("counts as failed too where what it is missing can't be read, until it can", async () => {
    isReadable = false;
    const { taken, following } = follow("steps");
    commit(1, { isHandedOver: false });
    await settled();
    expect(following.refusal()).toMatchObject({ code: "NOT_SERVING" });
    isReadable = true;
    clock.advance(1_000);
    await settled();
    expect(taken).toEqual([1]);
    expect(following.refusal()).toBeUndefined();
  });
});

describe("waiting for a follower", () => {
  test("is not waiting where it has come so far already", async () => {
    const { following } = follow("steps");
    commit(2);
    expect(await following.reached(2)).toBe(true);
    expect(clock.pending()).toBe(0);
  });

  test("ends once it has come so far", async () => {
    const { gates, following } = followAll("feed");
    commit(2);
    const reached = following.reached(2);
    gates[0]?.resolve();
    expect(await reached).toBe(true);
    expect(clock.pending()).toBe(0);
  });

  test("ends after two seconds; from then on the follower counts as failed until it has come so far", async () => {
    const { gates, following } = followAll("feed");
    commit(2);
    const reached = following.reached(2);
    clock.advance(1_999);
    expect(following.refusal()).toBeUndefined();
    clock.advance(1);
    expect(await reached).toBe(false);
    expect(following.refusal()).toMatchObject({ code: "NOT_SERVING" });
    expect(statusOf("feed")).toMatchObject({ failure: expect.stringContaining("at event 0 of 2") });
    gates[0]?.resolve();
    await settled();
    expect(following.refusal()).toBeUndefined();
  });

  test("ends with the follower", async () => {
    const { following } = followAll("feed");
    commit(1);
    const reached = following.reached(1);
    following.end();
    expect(await reached).toBe(false);
    expect(await following.reached(1)).toBe(false);
    expect(clock.pending()).toBe(0);
  });
});

test("two that are at one place share what is read", async () => {
  append(80);
  const two = [follow("one"), follow("other")];
  await settled();
  for (const { taken } of two) expect(taken).toEqual(upTo(80));
  expect(reads).toEqual([0, 32, 64]);
});
