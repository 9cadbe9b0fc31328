import { describe, expect, test } from "vitest";
import {
  cutoffsOf,
  keepRetention,
  type RetentionRounds,
  type RetentionTimes,
  timesFor,
} from "../../src/audit/retention.ts";
import { createSuspensions } from "../../src/authority/suspensions.ts";
import { ports, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";

const DAY_SECONDS = 86_400;
const DAY_MS = DAY_SECONDS * 1_000;

async function roundsOf(
  times: RetentionTimes | undefined,
  work: (world: World, round: () => Promise<number>, rounds: RetentionRounds) => Promise<void>,
  given = ports(),
  refusal = createSuspensions(given.clock).refusal,
) {
  const store = await openMemoryLedger(given);
  const told: string[] = [];
  const log = { info: (what: string) => void told.push(what), fault: (what: string) => void told.push(what) };
  const rounds = keepRetention({ retention: store.retention, times, refusal, clock: given.clock, log });
  try {
    await work(worldOf(store, given), rounds.round, rounds);
  } finally {
    rounds.stop();
    await store.close();
  }
  return told;
}

/** A step with so many credentials, closed. */
async function over(world: World, credentials: number): Promise<void> {
  const step = await world.open(await world.agent());
  for (let issued = 0; issued < credentials; issued += 1) await world.issue(step);
  await world.close(step);
}

describe("a round of retention", () => {
  test("prunes what has been over for longer than its class says, and not a day earlier", async () => {
    const told = await roundsOf({ issuances: 3 * DAY_SECONDS }, async (world, round) => {
      await over(world, 1_000);
      world.clock.advance(2 * DAY_MS);
      expect(await round()).toBe(0);
      world.clock.advance(DAY_MS + 3_600_000);
      expect(await round()).toBe(1_000);
      expect(await round()).toBe(0);
      expect(await world.store.verifyAll()).toEqual({ kind: "intact" });
    });
    expect(told).toEqual(["the ledger was pruned"]);
  });

  test("takes no snapshot for a handful of events, nor ever again for those that are held", async () => {
    await roundsOf({ issuances: DAY_SECONDS }, async (world, round) => {
      await over(world, 10);
      world.clock.advance(3 * DAY_MS);
      expect(await round()).toBe(0);
      expect((await world.store.retention.standing()).snapshot).toBeUndefined();
      const agent = await world.agent();
      const hold = { holdId: "hold_1", scope: "agent", value: agent.content.name } as const;
      const by = { kind: "broker", cause: "config" } as const;
      await world.ledger.perform({ act: "place-hold", hold, reason: "r", by, now: world.clock.now() });
      const step = await world.open(agent);
      for (let issued = 0; issued < 1_000; issued += 1) await world.issue(step);
      await world.close(step);
      world.clock.advance(3 * DAY_MS);
      expect(await round()).toBe(10);
      const { snapshot } = await world.store.retention.standing();
      expect(await round()).toBe(0);
      expect((await world.store.retention.standing()).snapshot).toEqual(snapshot);
    });
  });

  test("waits while the ledger or the clock is not believed, prunes soon after, and counts what came of each", async () => {
    const given = ports();
    const suspensions = createSuspensions(given.clock);
    const told = await roundsOf(
      { issuances: DAY_SECONDS },
      async (world, round, rounds) => {
        await over(world, 1_000);
        world.clock.advance(60_000);
        suspensions.suspend("rollback", "it went back in time");
        world.clock.advance(3 * DAY_MS);
        await expect(round()).rejects.toMatchObject({ code: "NOT_SERVING" });
        expect((await world.store.retention.standing()).prunedEvents).toBe(0);
        // The end of each step is in no class that has a time here.
        expect(await rounds.due()).toEqual([{ class: "issuances", events: 1_000, bytes: expect.any(Number) }]);
        suspensions.lift("rollback");
        expect(await round()).toBe(1_000);
        expect(await round()).toBe(0);
        const { rounds: counted, prunedEvents } = rounds.counts();
        expect({ ...Object.fromEntries(counted), prunedEvents }).toMatchObject({
          pruned: 1,
          nothing: 1,
          prunedEvents: 1_000,
        });
        expect(counted.get("waiting")).toBeGreaterThan(1);
      },
      given,
      suspensions.refusal,
    );
    expect(new Set(told)).toEqual(new Set(["the ledger is not pruned yet", "the ledger was pruned"]));
  });

  test("of a ledger that began with a version that prunes takes 90 days, of an older one nothing", () => {
    const days = 90 * DAY_SECONDS;
    const all = { issuances: days, steps: days, decisions: days, calls: days, deliveries: days };
    expect(timesFor(undefined, true)).toEqual(all);
    expect(timesFor(undefined, false)).toEqual({});
    expect(timesFor({ steps: 5 }, true)).toEqual({ steps: 5 });
    const { clock } = ports();
    expect(cutoffsOf({ steps: 5 }, clock.now())).toEqual({ steps: clock.now() - 5_000_000 });
  });
});
