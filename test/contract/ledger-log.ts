import { expect, test } from "vitest";
import { append, type CompactRange, EMPTY_RANGE, rootOf } from "../../src/domain/merkle-tree.ts";
import type { Head } from "../../src/ports/ledger.ts";
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

  test("every commit is told once, in order, before its acts are answered", () =>
    inWorld(async (world) => {
      const heads: Head[] = [];
      const stop = world.ledger.onCommit((head) => void heads.push(head));
      const agent = await world.agent();
      const toldOf = await Promise.all(
        Array.from({ length: 20 }, async () => {
          const step = await world.open(agent);
          return (heads.at(-1)?.sequence ?? 0) >= step.openedSequence;
        }),
      );
      expect(toldOf).not.toContain(false);
      const sequences = heads.map((head) => head.sequence);
      expect(sequences).toEqual([...new Set(sequences)].toSorted((a, b) => a - b));
      expect(heads.at(-1)).toEqual(world.ledger.head());
      stop();
      await world.open(agent);
      expect(heads).toHaveLength(sequences.length);
    }));

  test("a commit that is told to deny nothing has nothing for the feed, and one that closes or revokes is told to deny", () =>
    inWorld(async (world) => {
      const told: { readonly through: number; readonly denies: boolean }[] = [];
      world.ledger.onCommit(({ sequence }, denies) => void told.push({ through: sequence, denies }));
      const from = world.ledger.head().sequence;
      const agent = await world.agent();
      const [first, second] = [await world.open(agent), await world.open(agent)];
      await world.issue(first);
      const taken = await world.issue(second);
      await world.ledger.perform({
        act: "revoke-credential",
        credential: { jti: taken.jti ?? "" },
        reason: "keyCompromise",
        by: { kind: "broker", cause: "expiry" },
        now: world.clock.now(),
      });
      await world.close(first);
      await world.close(second);
      let denials = 0;
      for (const [index, { through, denies }] of told.entries()) {
        const { entries } = await world.store.feed.denied(told[index - 1]?.through ?? from, through, 1_000);
        denials += entries.length;
        if (!denies) expect(entries).toEqual([]);
      }
      expect(denials).toBe(3);
      expect(told.filter(({ denies }) => !denies).length).toBeGreaterThanOrEqual(4);
    }));

  test("what writes nothing is not a commit", () =>
    inWorld(async (world) => {
      const agent = await world.agent();
      const heads: Head[] = [];
      world.ledger.onCommit((head) => void heads.push(head));
      expect(await world.ledger.perform(world.openAct(agent, { parentStepId: "step_none" }))).toMatchObject({
        kind: "denial",
      });
      expect(heads).toEqual([]);
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
      expect(await world.store.registry.authorities()).toMatchObject([{ authorityId: "a", state: "removed" }]);
      expect(await world.store.steps.openSteps({})).toEqual([]);
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
