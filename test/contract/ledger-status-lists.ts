import { expect, test } from "vitest";
import { statusListEnd, type TokenStatus } from "../../src/domain/status-list.ts";
import type { Step } from "../../src/domain/step.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { done, OPERATOR, type World } from "./ledger-world.ts";

/** Where status lists have tokens, and which of those were taken back. */
export function statusListsContract(worldOf: () => World): void {
  let lists = 0;
  const newList = (): string => {
    lists += 1;
    return `contract-${lists}`;
  };
  const issue = (world: World, step: Step, status: TokenStatus) => world.issue(step, { status });

  async function all(parts: AsyncIterable<readonly TokenStatus[]>, list: string): Promise<readonly number[]> {
    const found: number[] = [];
    for await (const part of parts) for (const one of part) if (one.list === list) found.push(one.index);
    return found.toSorted((a, b) => a - b);
  }

  const inForce = (world: World, list: string) =>
    all(world.store.credentials.revokedStatuses(secondsOf(world.clock.now())), list);

  test("a token's row has its place, and a credential that names none has none", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    const status = { list: newList(), index: 131_071 };
    const { jti = "" } = await issue(world, step, status);
    expect(await world.store.credentials.issuance({ jti })).toMatchObject({ status });
    const { jti: without = "" } = await world.issue(step);
    expect(await world.store.credentials.issuance({ jti: without })).not.toHaveProperty("status");
  });

  test("a list is known from its first token on, until the last that it may have can be forgotten", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    const list = newList();
    const begun = secondsOf(world.clock.now());
    await issue(world, step, { list, index: 1 });
    world.clock.advance(2_000);
    await issue(world, step, { list, index: 2 });
    const ends = statusListEnd(begun);
    expect(ends - begun).toBe(600 + 3_600 + 10);
    const listed = async (now: typeof begun) =>
      (await world.store.credentials.statusLists(now)).filter((one) => one.list === list);
    expect(await listed(addSeconds(ends, -1))).toEqual([{ list, endsAt: ends }]);
    expect(await listed(ends)).toEqual([]);
  });

  test("what a step's close took back, its descendants' too, and what was taken back alone", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const list = newList();
    const root = await world.open(agent);
    const child = await world.openChild(agent, root);
    const other = await world.open(agent);
    for (const [step, index] of [
      [root, 1],
      [root, 2],
      [child, 3],
      [other, 4],
      [other, 5],
    ] as const) {
      await issue(world, step, { list, index });
    }
    await world.issue(root, { kind: "x509-svid" });
    expect(await inForce(world, list)).toEqual([]);
    const before = world.ledger.head().sequence;
    await world.close(root);
    const between = world.ledger.head().sequence;
    const taken = await issue(world, other, { list, index: 6 });
    const credential = { jti: taken.jti ?? "" };
    const act = { act: "revoke-credential", credential, reason: "keyCompromise", by: OPERATOR } as const;
    done(await world.ledger.perform({ ...act, now: world.clock.now() }));
    const after = world.ledger.head().sequence;

    expect(await inForce(world, list)).toEqual([1, 2, 3, 6]);
    const { statusesRevokedBetween } = world.store.credentials;
    expect(await all(statusesRevokedBetween(before, between), list)).toEqual([1, 2, 3]);
    expect(await all(statusesRevokedBetween(between, after), list)).toEqual([6]);
    expect(await all(statusesRevokedBetween(after, after + 100), list)).toEqual([]);
  });

  test("what can be forgotten by a verifier is not in force any more", async () => {
    const world = worldOf();
    const list = newList();
    const step = await world.open(await world.agent());
    await world.issue(step, { status: { list, index: 1 }, expiresAt: addSeconds(secondsOf(world.clock.now()), 60) });
    await world.close(step);
    world.clock.advance(69_000);
    expect(await inForce(world, list)).toEqual([1]);
    world.clock.advance(1_000);
    expect(await inForce(world, list)).toEqual([]);
  });

  test("six hundred steps are read in parts, and none is left out", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const list = newList();
    const runId = world.name();
    for (let index = 0; index < 600; index += 1) {
      await issue(world, await world.open(agent, { runId }), { list, index });
    }
    const before = world.ledger.head().sequence;
    await world.close({ kind: "run", runId });
    const expected = Array.from({ length: 600 }, (_, index) => index);
    expect(await inForce(world, list)).toEqual(expected);
    const { sequence } = world.ledger.head();
    expect(await all(world.store.credentials.statusesRevokedBetween(before, sequence), list)).toEqual(expected);
  });
}
