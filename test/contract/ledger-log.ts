import { expect, test } from "vitest";
import { append, type CompactRange, EMPTY_RANGE, rootOf } from "../../src/domain/merkle-tree.ts";
import type { Committed } from "../../src/ports/following.ts";
import type { Fixture } from "./ledger.ts";
import { done, OPERATOR, type World } from "./ledger-world.ts";

/** What the log itself promises: dense, hashed, told of in order, and a new epoch that ends everything. */
export function logContract(open: () => Promise<Fixture>): void {
  async function inWorld(work: (world: World) => Promise<void>): Promise<void> {
    const { world, close } = await open();
    try {
      await work(world);
    } finally {
      await close();
    }
  }

  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

  test("a new ledger begins with its first epoch", () =>
    inWorld(async ({ ledger, store }) => {
      const { epoch, sequence } = ledger.head();
      expect(sequence).toBe(1);
      const [event] = await store.history.events({ limit: 1 });
      expect(event?.type).toBe("epoch.started");
      expect(JSON.parse(Buffer.from(event?.canonical ?? []).toString())).toMatchObject({ epoch });
      expect(store.verdict).toEqual({ kind: "trusted" });
      expect(store.health()).toEqual({ writable: true, reasons: [] });
    }));

  test("the head is the tree over all events, in their order", () =>
    inWorld(async (world) => {
      const agent = await world.agent();
      for (let index = 0; index < 150; index += 1) await world.issue(await world.open(agent));
      const head = world.ledger.head();
      const rows = await world.store.history.events({ oldestFirst: true, limit: 1_000 });
      expect(rows.map((row) => row.sequence)).toEqual(Array.from({ length: head.sequence }, (_, index) => index + 1));
      const range = rows.reduce<CompactRange>((tree, row) => append(tree, row.leafHash).range, EMPTY_RANGE);
      expect(hex(head.rootHash)).toBe(hex(rootOf(range)));
      expect(await world.store.verifyAll()).toEqual({ kind: "intact" });
    }));

  test("every event is given to a follower once, in order, before the act that made it is answered", () =>
    inWorld(async (world) => {
      const from = world.ledger.head().sequence;
      const { committed, following } = world.follow();
      const agent = await world.agent();
      const wasTold = await Promise.all(
        Array.from({ length: 20 }, async () => {
          const step = await world.open(agent);
          return following.position() >= step.openedSequence;
        }),
      );
      expect(wasTold).not.toContain(false);
      const rows = await world.store.history.events({ after: from, oldestFirst: true, limit: 1_000 });
      expect(committed).toEqual(
        rows.map(({ sequence, canonical }) => ({ sequence, event: JSON.parse(Buffer.from(canonical).toString()) })),
      );
      following.end();
      await world.open(agent);
      expect(committed).toHaveLength(rows.length);
    }));

  test("a follower is given everything from where it begins, however long ago and however much that is", () =>
    inWorld(async (world) => {
      const agent = await world.agent();
      // More in one commit than is handed over at once.
      const opening = Array.from({ length: 700 }, () => world.open(agent, { executor: { kind: "any" } }));
      await Promise.all(opening);
      const { sequence: head } = world.ledger.head();
      for (const after of [0, 1, head - 1, head]) {
        const sequences: number[] = [];
        const take = (one: Committed) => void sequences.push(one.sequence);
        const following = world.ledger.follow({ name: "late", take }, after);
        expect(await following.reached(head)).toBe(true);
        expect(sequences).toEqual(Array.from({ length: head - after }, (_, index) => after + index + 1));
        following.end();
      }
    }));

  test("a close of very many steps reaches its followers, though it is too much to be handed over at once", () =>
    inWorld(async (world) => {
      const agent = await world.agent();
      const opening = Array.from({ length: 1_500 }, () =>
        world.open(agent, { executor: { kind: "any" } }, { openStepsMax: 2_000 }),
      );
      await Promise.all(opening);
      const { committed, following } = world.follow();
      const { firstSequence, sequence } = await world.close({ kind: "entry", entryId: agent.entryId });
      expect(await following.reached(sequence)).toBe(true);
      expect(committed.map((one) => one.sequence)).toEqual(
        Array.from({ length: 1_500 }, (_, index) => firstSequence + index),
      );
    }));

  test("what is asked for while one commit is written goes into the next, all of it", () =>
    inWorld(async (world) => {
      const agent = await world.agent();
      const before = world.store.commits();
      await Promise.all(Array.from({ length: 20 }, () => world.open(agent)));
      // All that one turn asks for is a group already.
      expect(world.store.commits() - before).toBe(1);
      await world.open(agent);
      expect(world.store.commits() - before).toBe(2);
    }));

  test("what writes nothing is no commit", () =>
    inWorld(async (world) => {
      const agent = await world.agent();
      const { committed } = world.follow();
      const before = world.store.commits();
      expect(await world.ledger.perform(world.openAct(agent, { parentStepId: "step_none" }))).toMatchObject({
        kind: "denial",
      });
      expect(committed).toEqual([]);
      expect(world.store.commits()).toBe(before);
    }));

  test("a new epoch closes every open step, whoever's, and lets no authority sign on", () =>
    inWorld(async (world) => {
      const agent = await world.agent();
      const root = await world.open(agent);
      const steps = [root, await world.openChild(agent, root), await world.open(await world.agent())];
      for (const step of steps) await world.issue(step);
      const now = world.clock.now();
      const bytes = new Uint8Array([1]);
      const validity = { notBefore: 1, expiresAt: 2 } as never;
      const authority = {
        authorityId: "a",
        family: "jwt-svid",
        state: "active",
        publicKey: bytes,
        ...(validity as object),
      };
      await world.ledger.perform({ act: "put-authorities", authorities: [authority as never], now });
      const before = world.ledger.head();

      const result = done(
        await world.ledger.perform({ act: "start-epoch", epoch: "epoch_2", reason: "restored", by: OPERATOR, now }),
      );
      expect(result).toMatchObject({ stepsClosed: 3, credentialsRevoked: 3, sequence: before.sequence + 3 });
      expect(world.ledger.head()).toMatchObject({ epoch: "epoch_2", sequence: before.sequence + 3 });
      for (const step of steps) {
        expect(await world.step(step.stepId)).toMatchObject({ state: "REVOKED", closeReason: "privilegeWithdrawn" });
      }
      expect(await world.authorities()).toMatchObject([{ authorityId: "a", state: "removed" }]);
      expect(await world.openSteps()).toEqual([]);
      expect(await world.ledger.perform(world.openAct(agent))).toMatchObject({ kind: "opened" });
    }));

  test("what was asked for before the end is answered, what comes after is refused", () =>
    inWorld(async (world) => {
      const agent = await world.agent();
      const acts = Array.from({ length: 30 }, () => world.ledger.perform(world.openAct(agent)));
      const closing = world.ledger.close();
      const late = world.ledger.perform(world.openAct(agent));
      await expect(late).rejects.toMatchObject({ code: "NOT_SERVING" });
      const results = await Promise.all(acts);
      expect(results.every((result) => result.kind === "opened")).toBe(true);
      await closing;
      await world.ledger.close();
    }));
}
