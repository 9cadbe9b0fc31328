import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ports, worldOf } from "../../contract/ledger-world.ts";
import { openMemoryReplica } from "../../memory/memory-replica.ts";
import { memoryLogDatabase, openWay } from "../../memory/memory-shared-log.ts";
import { turn } from "../../simulation/lives.ts";
import { clockBeside } from "../../simulation/sites.ts";
import { inDirectory } from "./ledger-directory.ts";

// Goal: a broker that has not been told yet of what another recorded does not say that it is not there, and one whose clock is not that of
// the log records nothing.

/** Two replicas of one log, the second of which is told of nothing. */
async function withDeafReplica(work: (parts: Awaited<ReturnType<typeof scene>>) => Promise<void>): Promise<void> {
  await inDirectory(async (root) => {
    const parts = await scene(root);
    await work(parts);
    await parts.a.store.close();
    await parts.b.store.close();
  });
}

async function scene(root: string) {
  const given = ports();
  const database = memoryLogDatabase(given);
  const way = openWay();
  const clock = clockBeside(given.clock, 0);
  const open = async (name: string, own = openWay()) => {
    const directory = join(root, name);
    mkdirSync(directory);
    const machine = { bootId: `boot of ${name}`, pidNamespace: "4026531836" };
    const store = await openMemoryReplica({
      ...given,
      clock: name === "b" ? clock : given.clock,
      ...{ directory, name, log: database.connect({ name, instance: name, machine }, own) },
      committed: () => undefined,
      failed(error) {
        throw error;
      },
    });
    return worldOf(store, given);
  };
  const a = await open("a");
  const b = await open("b", way);
  way.isDeaf = true;
  return { a, b, way, clock };
}

test("a step and a credential that another recorded a moment ago are found", () =>
  withDeafReplica(async ({ a, b }) => {
    const step = await a.open(await a.agent());
    const { issuanceId, jti = "" } = await a.issue(step);
    expect(await b.store.steps.step(step.stepId)).toMatchObject({ stepId: step.stepId, state: "OPEN" });
    const { jti: other = "" } = await a.issue(step);
    expect(await b.store.credentials.issuance({ jti: other })).toMatchObject({ jti: other });
    expect(await b.store.credentials.issuance({ jti })).toMatchObject({ issuanceId });
  }));

test("what nobody recorded is not there, and where that can't be known nobody says so", () =>
  withDeafReplica(async ({ a, b, way }) => {
    const step = await a.open(await a.agent());
    await b.store.confirmed();
    expect(await b.store.credentials.issuance({ jti: "of nobody" })).toBeUndefined();
    way.isCut = true;
    const refused = { code: "LEDGER_UNAVAILABLE" };
    await expect(b.store.credentials.issuance({ jti: "of nobody" })).rejects.toMatchObject(refused);
    await expect(b.store.steps.step("step_of_nobody")).rejects.toMatchObject(refused);
    // What it has it tells as before.
    expect(await b.store.steps.step(step.stepId)).toMatchObject({ state: "OPEN" });
  }));

test("whose clock is off by more than it may be records nothing, and says by how much, until it is right", () =>
  withDeafReplica(async ({ a, b, clock }) => {
    const agent = await a.agent();
    for (const [seconds, how] of [
      [300, "300 s ahead of"],
      [-6, "6 s behind"],
    ] as const) {
      clock.stepWall(seconds);
      const refused = { code: "LEDGER_UNAVAILABLE", message: new RegExp(`clock is ${how} the clock`) };
      await expect(b.open(agent)).rejects.toMatchObject(refused);
      expect(b.store.health().writable).toBe(false);
      clock.stepWall(-seconds);
    }
    clock.stepWall(4);
    const step = await b.open(agent);
    expect(await a.store.steps.step(step.stepId)).toMatchObject({ state: "OPEN" });
  }));

test("whose clock is off is not well for as long as it is off, whether or not anybody wants to record", () =>
  withDeafReplica(async ({ a, b, clock }) => {
    const agent = await a.agent();
    const off = { writable: false, reasons: [expect.stringMatching(/clock is 300 s ahead of the clock/)] };
    const wellAtEachLook = async () => {
      const all = [];
      for (let look = 0; look < 8; look += 1) {
        clock.advance(500);
        await turn();
        all.push(b.store.health());
      }
      return all;
    };
    clock.stepWall(300);
    expect((await wellAtEachLook()).at(-1)).toMatchObject(off);
    await expect(b.open(agent)).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
    for (const health of await wellAtEachLook()) expect(health).toMatchObject(off);
    clock.stepWall(-300);
    expect((await wellAtEachLook()).at(-1)).toEqual({ writable: true, reasons: [] });
  }));
