import { expect, test } from "vitest";
import type { Step } from "../../src/domain/step.ts";
import { eventually, inLedger, openIn } from "../adapters/ledger-sqlite/ledger-directory.ts";
import { OPERATOR, ports, present, type World, worldOf } from "../contract/ledger-world.ts";
import { cannotMount, onSmallDisk } from "./small-disk.ts";

const MIB = 1024 * 1024;
/** The checkpoint is on the full disk as well: that it can't be kept there is told in the background, and is no surprise. */
const RESERVE = { reserveBytes: MIB, failed: () => undefined };

async function openSteps(world: World, count: number): Promise<readonly Step[]> {
  const agent = await world.agent();
  const steps: Step[] = [];
  for (let index = 0; index < count; index += 1) {
    const step = await world.open(agent);
    await world.issue(step);
    steps.push(step);
  }
  return steps;
}

const unavailable = expect.objectContaining({ code: "LEDGER_UNAVAILABLE" });

/** Issues until that is refused: what room is left in the files themselves may be used up first. */
async function issueUntilRefused(world: World, step: Step): Promise<unknown> {
  for (let count = 0; count < 10_000; count += 1) {
    try {
      await world.issue(step);
    } catch (thrown) {
      return thrown;
    }
  }
  throw new Error("the disk was never full");
}

test("on a full disk nothing is given, everything can be taken back and read, and it recovers by itself", async ({
  skip,
}) => {
  skip(cannotMount !== undefined, cannotMount);
  await onSmallDisk(12 * MIB, async (disk) => {
    const given = ports();
    await inLedger(
      disk.path,
      async (world) => {
        const [first, ...steps] = await openSteps(world, 120);
        const step = present(first);
        disk.fill();
        expect(await issueUntilRefused(world, step)).toEqual(unavailable);
        expect(world.store.health()).toEqual({
          writable: false,
          reasons: ["the ledger's disk is full: only closing and revoking are recorded"],
        });

        // Nothing is given, and what was refused has left no trace.
        const head = world.ledger.head();
        const [agent] = await world.entries();
        await expect(world.issue(step)).rejects.toEqual(unavailable);
        await expect(world.open(present(agent))).rejects.toEqual(unavailable);
        await expect(world.put(present(agent), 1)).rejects.toEqual(unavailable);
        const now = world.clock.now();
        const { stepId } = step;
        await expect(world.ledger.perform({ act: "hold-step", stepId, now })).rejects.toEqual(unavailable);
        expect(world.ledger.head()).toEqual(head);

        // Everything can be taken back: an entry, a credential, then steps one by one, each durable before it is answered.
        expect(await world.put({ ...present(agent), disabled: true }, 1)).toMatchObject({ kind: "entry" });
        const [record] = await world.store.history.issuances({ stepId, now, limit: 1 });
        const credential = { jti: present(record?.jti) };
        const order = { act: "revoke-credential", credential, reason: "keyCompromise", by: OPERATOR, now } as const;
        expect(await world.ledger.perform(order)).toMatchObject({ kind: "sequenced" });
        for (const one of steps)
          expect(await world.close(one)).toMatchObject({ stepsClosed: 1, credentialsRevoked: 1 });
        expect(world.ledger.head().sequence).toBe(head.sequence + 2 + steps.length);

        // Everything can be read.
        expect((await world.step(present(steps[7]).stepId)).state).toBe("COMPLETED");
        const { entries } = await world.denied(head.sequence, world.ledger.head().sequence);
        expect(entries).toHaveLength(1 + steps.length);

        disk.free();
        await eventually(() => world.store.health().writable);
        await world.issue(await world.open(await world.agent()));
        expect(await world.close(step)).toMatchObject({ stepsClosed: 1 });
      },
      { given, ...RESERVE },
    );
    const store = await openIn(disk.path, { given, ...RESERVE });
    expect(store.verdict).toEqual({ kind: "trusted" });
    expect(await store.verifyAll()).toEqual({ kind: "intact" });
    await store.close();
  });
});

test("in one group with acts that find no room, a close is recorded all the same", async ({ skip }) => {
  skip(cannotMount !== undefined, cannotMount);
  await onSmallDisk(8 * MIB, async (disk) => {
    await inLedger(
      disk.path,
      async (world) => {
        const [step, other] = await openSteps(world, 2);
        const entryId = present(step).agentEntryId;
        disk.fill();
        // Larger than what is left, so that the group as a whole can't be committed.
        const records = () => Array.from({ length: 400 }, () => world.record(present(other)));
        const large = Array.from({ length: 8 }, () => world.ledger.perform(world.issueAct(records(), { entryId })));
        const closing = world.close(present(step));
        const results = await Promise.allSettled(large);
        expect(results.map((one) => one.status)).toEqual(large.map(() => "rejected"));
        expect(await closing).toMatchObject({ stepsClosed: 1 });
        expect((await world.step(present(step).stepId)).state).toBe("COMPLETED");
        disk.free();
        await eventually(() => world.store.health().writable);
      },
      RESERVE,
    );
  });
});

test("below the limit of free space nothing is opened or issued, while all else goes on", async ({ skip }) => {
  skip(cannotMount !== undefined, cannotMount);
  await onSmallDisk(16 * MIB, async (disk) => {
    await inLedger(
      disk.path,
      async (world) => {
        const [first, second] = await openSteps(world, 2);
        const step = present(first);
        disk.fill(3 * MIB);
        await eventually(() => !world.store.health().writable);
        expect(world.store.health().reasons).toEqual([
          "the ledger's disk has less free space than the limit: nothing is opened or issued",
        ]);
        const { sequence } = world.ledger.head();
        await expect(world.issue(step)).rejects.toEqual(unavailable);
        const [agent] = await world.entries();
        await expect(world.open(present(agent))).rejects.toEqual(unavailable);
        const now = world.clock.now();
        await world.ledger.perform({ act: "hold-step", stepId: step.stepId, now });
        await world.close(present(second));
        expect(world.ledger.head().sequence).toBe(sequence + 2);
        disk.free();
        await eventually(() => world.store.health().writable);
        await world.issue(step);
      },
      { ...RESERVE, diskFreeBytesMin: 4 * MIB },
    );
  });
});

test("a ledger opens on a full disk, and closes steps there", async ({ skip }) => {
  skip(cannotMount !== undefined, cannotMount);
  await onSmallDisk(8 * MIB, async (disk) => {
    const given = ports();
    const steps: Step[] = [];
    await inLedger(disk.path, async (world) => void steps.push(...(await openSteps(world, 20))), { given, ...RESERVE });
    disk.fill();
    const store = await openIn(disk.path, { given, ...RESERVE });
    const world = worldOf(store, given);
    expect(await issueUntilRefused(world, present(steps[0]))).toEqual(unavailable);
    for (const step of steps) expect(await world.close(step)).toMatchObject({ stepsClosed: 1 });
    await store.close();
  });
});
