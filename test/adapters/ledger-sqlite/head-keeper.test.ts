import { expect, test } from "vitest";
import { createHeadKeeper } from "../../../src/adapters/ledger-sqlite/head-keeper.ts";
import type { UnixSeconds } from "../../../src/domain/time.ts";
import type { CheckpointStore } from "../../../src/ports/checkpoint-store.ts";
import type { Head } from "../../../src/ports/ledger.ts";
import { virtualClock } from "../../memory/virtual-clock.ts";

const head = (sequence: number): Head => ({ epoch: "e", sequence, rootHash: new Uint8Array(32) });
const settled = () => new Promise((resolve) => setImmediate(resolve));

function keeping(isTrusted: boolean, save?: CheckpointStore["save"]) {
  const saved: number[] = [];
  const failures: unknown[] = [];
  const clock = virtualClock(1 as UnixSeconds);
  const checkpoints: CheckpointStore = {
    load: async () => [],
    save: save ?? (async ({ sequence }) => void saved.push(sequence)),
  };
  const keeper = createHeadKeeper({ checkpoints, clock, failed: (error) => failures.push(error) }, isTrusted);
  return { keeper, saved, failures, clock };
}

/** On a disk that is full until it is said that it is not. */
function keepingOnDisk(isTrusted: boolean) {
  const disk = { isFull: true };
  const saved: number[] = [];
  const kept = keeping(isTrusted, async ({ sequence }) => {
    if (disk.isFull) throw new Error("no space");
    saved.push(sequence);
  });
  return { ...kept, disk, saved };
}

test("the first head is kept at once, later ones at most once a second, always the newest", async () => {
  const { keeper, saved, clock } = keeping(true);
  keeper.committed(head(1));
  await settled();
  expect(saved).toEqual([1]);
  for (const sequence of [2, 3, 4]) keeper.committed(head(sequence));
  clock.advance(999);
  await settled();
  expect(saved).toEqual([1]);
  clock.advance(1);
  await settled();
  expect(saved).toEqual([1, 4]);
  clock.advance(10_000);
  await settled();
  expect(saved).toEqual([1, 4]);
});

test("the end keeps what was not kept yet", async () => {
  const { keeper, saved } = keeping(true);
  keeper.committed(head(1));
  keeper.committed(head(2));
  await keeper.close();
  expect(saved).toEqual([1, 2]);
  keeper.committed(head(3));
  await keeper.close();
  expect(saved).toEqual([1, 2]);
});

test("while the ledger is not trusted nothing is kept; then the head that was accepted, and all after it", async () => {
  const { keeper, saved } = keeping(false);
  keeper.committed(head(1));
  await settled();
  expect(saved).toEqual([]);
  await keeper.trust(head(2));
  expect(saved).toEqual([2]);
  keeper.committed(head(3));
  await keeper.close();
  expect(saved).toEqual([2, 3]);
});

test("a head that could not be kept is told of once, and tried again though nothing else is recorded", async () => {
  const { disk, keeper, saved, failures, clock } = keepingOnDisk(true);
  keeper.committed(head(1));
  await settled();
  for (let second = 0; second < 3; second += 1) {
    clock.advance(1_000);
    await settled();
  }
  expect(failures).toHaveLength(1);
  disk.isFull = false;
  clock.advance(1_000);
  await settled();
  expect(saved).toEqual([1]);
  keeper.committed(head(2));
  clock.advance(1_000);
  await settled();
  expect(saved).toEqual([1, 2]);
});

test("a head that could not be kept never comes after a newer one, nor after the end", async () => {
  const failing = Promise.withResolvers<void>();
  const saved: number[] = [];
  const { keeper, clock } = keeping(true, async ({ sequence }) => {
    if (sequence === 1) await failing.promise;
    saved.push(sequence);
  });
  keeper.committed(head(1));
  clock.advance(1_000);
  keeper.committed(head(2));
  failing.reject(new Error("no space"));
  await keeper.close();
  clock.advance(10_000);
  await settled();
  expect(saved).toEqual([2]);
  expect(clock.pending()).toBe(0);
});

test("the head that is accepted while others are kept is kept after those that went before it, and before those that come, never at the same time", async () => {
  const saved: number[] = [];
  let saving = 0;
  const { keeper, clock } = keeping(true, async ({ sequence }) => {
    saving += 1;
    expect(saving).toBe(1);
    await settled();
    saving -= 1;
    saved.push(sequence);
  });
  keeper.committed(head(1));
  keeper.committed(head(2));
  const trusting = keeper.trust(head(3));
  keeper.committed(head(4));
  clock.advance(1_000);
  await trusting;
  await keeper.close();
  expect(saved).toEqual([1, 3, 4]);
});

test("a head that could not be accepted is not accepted", async () => {
  let attempts = 0;
  const { keeper } = keeping(false, async () => {
    attempts += 1;
    throw new Error("no space");
  });
  await expect(keeper.trust(head(1))).rejects.toThrow("no space");
  keeper.committed(head(2));
  await keeper.close();
  expect(attempts).toBe(1);
});

test("a head that could not be kept when it was accepted, of a ledger that was trusted before, is tried again", async () => {
  const { disk, keeper, saved, failures, clock } = keepingOnDisk(true);
  keeper.committed(head(1));
  await expect(keeper.trust(head(2))).rejects.toThrow("no space");
  disk.isFull = false;
  clock.advance(1_000);
  await settled();
  expect(saved).toEqual([2]);
  expect(failures).toHaveLength(1);
});

test("and of one that is not trusted, it is kept by nobody but who accepts it", async () => {
  const { disk, keeper, saved, clock } = keepingOnDisk(false);
  await expect(keeper.trust(head(2))).rejects.toThrow("no space");
  disk.isFull = false;
  clock.advance(10_000);
  await settled();
  expect(saved).toEqual([]);
  await keeper.trust(head(2));
  expect(saved).toEqual([2]);
});
