import { expect, test } from "vitest";
import { BrokerError } from "../../src/domain/errors.ts";
import { answerAct, endAct, intendAct, intentFor } from "./exchange-acts.ts";
import { done, MCP, present, type World } from "./ledger-world.ts";

/** What was closed, and that nobody accepts it any more. */
export function closuresContract(worldOf: () => World): void {
  const reach = (world: World, closedSequence: number) =>
    world.ledger.perform({ act: "reach-closure", closedSequence, now: world.clock.now() });

  test("what a close took back is told by audience, with the latest expiry, of the step and what descends from it", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const root = await world.open(agent);
    const child = await world.openChild(agent, root);
    const beside = await world.open(agent);
    const first = await world.issue(root);
    const last = await world.issue(child);
    const certificate = await world.issue(child, { kind: "x509-svid" });
    await world.issue(beside);
    const { sequence, closedAt } = await world.close(root);
    expect(await world.store.history.closedBy(sequence)).toEqual({
      closedAt,
      credentials: [
        { credentials: 1, latestExpiry: certificate.expiresAt },
        { audience: MCP, credentials: 2, latestExpiry: Math.max(first.expiresAt, last.expiresAt) },
      ],
      exchanges: [],
    });
    expect(await world.store.history.closedBy(sequence + 1)).toBeUndefined();
  });

  test("what was never delivered is accepted nowhere", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    const { issuanceId } = await world.issue(step);
    await world.ledger.perform({ act: "mark-undelivered", issuanceId, now: world.clock.now() });
    const { sequence } = await world.close(step);
    expect(present(await world.store.history.closedBy(sequence)).credentials).toEqual([]);
  });

  test("an exchange is named until the other system's end of it is recorded", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    const intent = intentFor(world, step);
    done(await world.ledger.perform(intendAct(world, step, intent)));
    const { sequence } = await world.close(step);
    const exchanges = async () => present(await world.store.history.closedBy(sequence)).exchanges;
    const unconfirmed = [{ exchangeId: intent.exchangeId, target: intent.target }];
    expect(await exchanges()).toEqual(unconfirmed);
    await world.ledger.perform(answerAct(world, intent, { kind: "issued", expiresAt: intent.expiresAt }));
    expect(await exchanges()).toEqual(unconfirmed);
    await world.ledger.perform(endAct(world, intent));
    expect(await exchanges()).toEqual([]);
  });

  test("that nobody accepts it is recorded once, as it was said first", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    await world.issue(step);
    const { sequence } = await world.close(step);
    expect(present(await world.store.history.closedBy(sequence)).reachedAt).toBeUndefined();
    const reachedAt = world.clock.now();
    expect(await reach(world, sequence)).toEqual({ kind: "sequenced", sequence: sequence + 1, reachedAt });
    world.clock.advance(1_000);
    expect(await reach(world, sequence)).toEqual({ kind: "sequenced", sequence: 0, reachedAt });
    expect(present(await world.store.history.closedBy(sequence)).reachedAt).toBe(reachedAt);
    expect(world.ledger.head().sequence).toBe(sequence + 1);
  });

  test("it is refused of an event that closed nothing", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    await expect(reach(world, step.openedSequence)).rejects.toThrow(BrokerError);
  });
}
