import { expect, onTestFinished, test } from "vitest";
import { confirmClock } from "../../src/authority/confirm-clock.ts";
import { createSuspensions } from "../../src/authority/suspensions.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import { OPERATOR, ports, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";

async function setUp() {
  const given = ports();
  const store = await openMemoryLedger(given);
  onTestFinished(() => store.close());
  const world = worldOf(store, given);
  const suspensions = createSuspensions(given.clock);
  const changes: number[] = [];
  given.clock.stepWall(60);
  suspensions.suspend("clock", "a minute off");
  const { ledger } = world;
  const clock = { ...world.clock, anchor: () => world.clock.stepWall(-world.clock.skewSeconds()) };
  return {
    store,
    suspensions,
    changes,
    ports: { ledger, clock, suspensions, clockChanged: (by: number) => void changes.push(by) },
  };
}

test("the clock's word is taken once that is on record", async () => {
  const { store, suspensions, changes, ports } = await setUp();
  expect(await confirmClock(OPERATOR, ports)).toBe(60);
  expect(suspensions.refusal()).toBeUndefined();
  expect(changes).toEqual([60]);
  expect(ports.clock.skewSeconds()).toBe(0);
  const [event] = await store.history.events({ type: "operator.acted", limit: 1 });
  expect(JSON.parse(Buffer.from(event?.canonical ?? "").toString())).toMatchObject({
    act: "confirm-clock",
    reason: "60.000 s",
  });
});

test("what can't be recorded does not take effect", async () => {
  const { suspensions, changes, ports } = await setUp();
  const perform = () => Promise.reject(new BrokerError("LEDGER_UNAVAILABLE", "the disk is full"));
  const confirming = confirmClock(OPERATOR, { ...ports, ledger: { perform } });
  await expect(confirming).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
  expect(suspensions.refusal()).toMatchObject({ code: "NOT_SERVING" });
  expect(changes).toEqual([]);
  expect(ports.clock.skewSeconds()).toBe(60);
});
